import { setImmediate } from 'node:timers/promises';
import { ApiError } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Tenant } from '../../contract/principal.ts';
import type { Keyring } from '../../keys/keyring.ts';
import type { Database } from '../../postgres/database.ts';
import type { AccessTimes } from '../access-times.ts';
import { openStored, type ReadSecret, storedOf } from '../read.ts';
import type { StoredVersion } from '../repository.ts';
import { type BatchAsking, eachPath, type Outcome, refuseAll } from './outcome.ts';
import { readVersions } from './repository.ts';

/** Of all values of an answer together; each by itself may be 1 MiB. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** After so many bytes others get their turn. */
const BREATHER_BYTES = 1024 * 1024;

export interface BatchReadParts {
  readonly db: Database;
  readonly keyring: Pick<Keyring, 'open'>;
  readonly retentionMs: number;
  readonly accessTimes: Pick<AccessTimes, 'note'>;
}

export interface BatchReadOptions {
  /** Null: the current one of each. */
  readonly version: number | null;
  /** The first path that fails, in the order asked, refuses all of them. */
  readonly failFast: boolean;
}

export type BatchRead = (
  asking: BatchAsking,
  paths: readonly SecretPath[],
  options: BatchReadOptions,
) => Promise<readonly Outcome<ReadSecret>[]>;

function tooLarge(bytes: number, paths: number): ApiError {
  const [limit, actual] = [MAX_ANSWER_BYTES, bytes].map((n) => Math.ceil(n / (1024 * 1024)));
  return new ApiError('payload_too_large', {
    message: `The values are ${actual} MiB together and an answer takes ${limit} MiB. Ask for fewer than ${paths} paths at a time.`,
    details: { max_bytes: MAX_ANSWER_BYTES },
  });
}

/** @returns a function that throws RefusedInParts when it refuses all paths for one of them or for their size */
export function createBatchRead({ db, keyring, retentionMs, accessTimes }: BatchReadParts): BatchRead {
  /** One after the other: mostly they lie under one key, which the first one fetches for all. */
  async function openAll(tenant: Tenant, outcomes: readonly Outcome<StoredVersion>[]) {
    const opened: Outcome<ReadSecret>[] = [];
    let sinceBreather = 0;
    for (const { result, ...outcome } of outcomes) {
      if (!result.ok) {
        opened.push({ ...outcome, result });
        continue;
      }
      sinceBreather += result.value.sealed.ciphertext.length;
      if (sinceBreather > BREATHER_BYTES) {
        sinceBreather = 0;
        await setImmediate();
      }
      opened.push({ ...outcome, result: { ok: true, value: await openStored(keyring, tenant, result.value) } });
    }
    return opened;
  }

  return async (asking, paths, { version, failFast }) => {
    const { tenant } = asking;
    let totalBytes = 0;
    const stored = await eachPath(asking, 'read', paths, async (allowed) => {
      const limits = { retentionMs, maxBytes: MAX_ANSWER_BYTES };
      const { epochs, found, ...rest } = await readVersions(db, tenant.tenantId, allowed, version, limits);
      totalBytes = rest.totalBytes;
      return { epochs, at: (path) => storedOf(found.get(path) ?? { found: 'nothing', epochs }) };
    });
    const failed = stored.map(({ result }) => result).find(({ ok }) => !ok);
    if (failFast && failed?.ok === false) throw refuseAll(stored, failed.error);
    if (totalBytes > MAX_ANSWER_BYTES) throw refuseAll(stored, tooLarge(totalBytes, paths.length));
    const opened = await openAll(tenant, stored);
    for (const { result } of stored) if (result.ok) accessTimes.note(tenant.tenantId, result.value.id);
    return opened;
  };
}
