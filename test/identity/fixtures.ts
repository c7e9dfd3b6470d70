import { ApiError, type ErrorCode } from '../../src/contract/errors.ts';
import type { PartnerId, TenantId } from '../../src/contract/names.ts';
import { DEFAULT_PATHS } from '../../src/identity/claims.ts';
import type { IdentityConfig } from '../../src/identity/types.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';

export const tenantId = (text: string): TenantId => text as TenantId;
export const partnerId = (text: string): PartnerId => text as PartnerId;

export interface SteeredClock extends Clock {
  advance(ms: number): void;
}

/** A clock that starts now and moves only when it is told to. */
export function steeredClock(): SteeredClock {
  let now = Date.now();
  let micros = now * 1000;
  return {
    nowMs: () => now,
    nowMicros: () => {
      micros = Math.max(micros + 1, now * 1000);
      return micros;
    },
    advance: (ms) => {
      now += ms;
    },
  };
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, message, fields });
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

/** What the environment says unless a test says otherwise. */
export function configFor(issuer: string, changes: Partial<IdentityConfig> = {}): IdentityConfig {
  return {
    issuer,
    audience: ['scaivault'],
    trustRoleClaims: true,
    claims: DEFAULT_PATHS,
    scopeMap: {},
    defaultScopes: [],
    defaultTenantId: null,
    defaultPartnerId: null,
    autocreateMax: null,
    firstSuperAdmin: null,
    ...changes,
  };
}

/** What a promise was refused with. @throws when it was not refused, or with something else than an ApiError */
export async function refusal(promise: Promise<unknown>): Promise<ApiError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

export async function refusalCode(promise: Promise<unknown>): Promise<ErrorCode> {
  return (await refusal(promise)).code;
}
