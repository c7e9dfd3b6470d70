import { ApiError } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import { type Principal, subjectKey } from '../../contract/principal.ts';
import type { Clock } from '../../lib/clock.ts';
import { decodeCursor, encodeCursor, type Mac } from '../../lib/cursors.ts';
import type { Database } from '../../postgres/database.ts';
import type { Asking } from '../asking.ts';
import { MAX_VERSION } from '../schemas.ts';
import type { VersionRecord } from '../types.ts';
import { readHistory } from './repository.ts';
import { recordOf } from './version-state.ts';

export interface HistoryParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly mac: Mac;
  readonly retentionMs: number;
}

export interface HistoryPage {
  readonly currentVersion: number;
  /** Newest first. */
  readonly versions: readonly VersionRecord[];
  /** Null: there are no more. */
  readonly cursor: string | null;
}

export interface HistoryQuery {
  readonly limit: number;
  readonly cursor: string | null;
}

export function createHistory({ db, clock, mac, retentionMs }: HistoryParts) {
  return async (
    asking: Asking & { readonly principal: Principal },
    path: SecretPath,
    { limit, cursor }: HistoryQuery,
  ): Promise<HistoryPage> => {
    const { tenantId } = asking.tenant;
    const binding = {
      route: 'secrets:versions',
      path,
      tenant: tenantId,
      subject: subjectKey(asking.principal.subject),
    };
    const startBelow = (): number => {
      if (cursor === null) return MAX_VERSION;
      const [version] = decodeCursor(mac, binding, cursor, clock.nowMs()) ?? [];
      if (typeof version !== 'number') throw new ApiError('invalid_cursor');
      return version;
    };
    // One more than asked for tells whether there are more.
    const page = { below: startBelow(), limit: limit + 1 };
    const { epochs, secret, versions } = await readHistory(db, tenantId, path, page, retentionMs);
    await asking.standing.confirm(epochs);
    if (secret === null) throw new ApiError('secret_not_found');
    const shown = versions.slice(0, limit);
    const last = shown.at(-1);
    const more = versions.length > limit && last !== undefined;
    return {
      currentVersion: secret.currentVersion,
      versions: shown.map((row) => recordOf(secret, row)),
      cursor: more ? encodeCursor(mac, binding, [last.version], clock.nowMs()) : null,
    };
  };
}
