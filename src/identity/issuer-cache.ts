import type { JWTHeaderParameters } from 'jose';
import { ApiError } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import { DocumentError } from './http-documents.ts';
import type { KeySet } from './key-set.ts';
import type { IssuerKey } from './types.ts';

export const UNKNOWN_KID_INTERVAL_MS = 30_000;
export const REFRESH_INTERVAL_MS = 600_000;
// How soon an issuer that has never answered is asked again.
const FIRST_RETRY_MS = 2_000;
const RETRY_AFTER_SECONDS = 5;

/** What one look at an issuer brings. */
export interface LoadedKeys {
  readonly keys: KeySet;
  readonly scaiKey: boolean;
}

export interface IssuerCache {
  /** @returns null when the issuer has no such key. @throws ApiError `service_unavailable` when it cannot be asked. */
  find(header: JWTHeaderParameters): Promise<IssuerKey | null>;
  /** Loads again when the keys are older than {@link REFRESH_INTERVAL_MS}. Never throws. */
  refreshDue(): Promise<void>;
}

/**
 * The keys of one issuer, with the rules of spec 04: an unknown `kid` may look again once in 30 s, the background every
 * 10 min, and keys once loaded stay valid while the issuer is down.
 */
export function issuerCache(issuer: string, load: () => Promise<LoadedKeys>, clock: Clock, log: Log): IssuerCache {
  let loaded: LoadedKeys | null = null;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let askedForKidAt = Number.NEGATIVE_INFINITY;
  // Why the last attempt failed, or null when it did not.
  let failure: string | null = null;
  let running: Promise<void> | null = null;

  /** A clock that was set back does not stop refreshing. */
  const elapsed = (since: number, interval: number): boolean =>
    clock.nowMs() - since >= interval || clock.nowMs() < since;

  /** One at a time, however many ask. Never throws: the state says how it went. */
  const refresh = (): Promise<void> => {
    running ??= attempt().finally(() => {
      running = null;
    });
    return running;
  };

  const attempt = async (): Promise<void> => {
    attemptedAt = clock.nowMs();
    try {
      loaded = await load();
      loadedAt = clock.nowMs();
      if (failure !== null) log.info({ issuer }, 'the keys of the identity provider can be read again');
      failure = null;
      if (loaded.keys.size === 0) log.warn({ issuer }, 'the identity provider publishes no usable key');
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      // Said once, not at each of the many requests that ask.
      if (failure !== error.message) log.warn({ issuer, reason: error.message }, 'cannot read the issuer keys');
      failure = error.message;
    }
  };

  const ensureLoaded = async (): Promise<void> => {
    if (loaded === null && (running !== null || elapsed(attemptedAt, FIRST_RETRY_MS))) await refresh();
    if (loaded === null) throw unavailable(issuer);
  };

  const lookUp = async (header: JWTHeaderParameters): Promise<IssuerKey | null> => {
    const current = loaded;
    const key = await current?.keys.find(header);
    return current && key ? { key, scaiKey: current.scaiKey } : null;
  };

  return {
    find: async (header) => {
      const fresh = loaded === null;
      await ensureLoaded();
      const known = await lookUp(header);
      if (known !== null) return known;
      if (!fresh && elapsed(askedForKidAt, UNKNOWN_KID_INTERVAL_MS)) {
        askedForKidAt = clock.nowMs();
        await refresh();
        const found = await lookUp(header);
        if (found !== null) return found;
      }
      // The key may be a new one that we cannot see: a token that cannot be checked yet is not called wrong.
      if (failure !== null) throw unavailable(issuer);
      return null;
    },
    refreshDue: async () => {
      if (elapsed(loadedAt, REFRESH_INTERVAL_MS) && elapsed(attemptedAt, UNKNOWN_KID_INTERVAL_MS)) await refresh();
    },
  };
}

function unavailable(issuer: string): ApiError {
  return new ApiError('service_unavailable', {
    message: 'The token cannot be checked: the identity provider does not answer. Try again shortly.',
    retryAfter: RETRY_AFTER_SECONDS,
    operator: `no keys of ${issuer}`,
  });
}
