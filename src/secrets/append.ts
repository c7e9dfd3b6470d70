import { ApiError } from '../contract/errors.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Keyring, TenantWriter, ValuePlace } from '../keys/keyring.ts';
import { newId } from '../lib/ids.ts';
import type { Transaction } from '../postgres/database.ts';
import {
  expireThrough,
  insertVersion,
  type NewVersion,
  pushOut,
  readEpochs,
  type TakenVersion,
  takeNextVersion,
} from './append/repository.ts';
import { type ChangeAsking, Outdated, requireStanding } from './asking.ts';
import { requireDelete } from './rights.ts';
import { lookAt } from './state/repository.ts';
import { occupiedRefusal } from './state/require.ts';
import type { SecretVersion } from './types.ts';

export interface WrittenSecret extends SecretVersion {
  readonly created: boolean;
  /** Versions that nobody can read any more because of this one. */
  readonly superseded: readonly number[];
}

export interface AppendParts {
  readonly keyring: Keyring;
  readonly retentionMs: number;
  /** Takes a deleted secret away whose retention is over. */
  readonly purge: (tenant: Tenant, path: SecretPath) => Promise<void>;
}

export interface Appending extends NewVersion {
  readonly value: Buffer;
  /** The version that it is a copy of. */
  readonly from: number | null;
}

export type Append = (
  tx: Transaction,
  asking: ChangeAsking,
  writer: TenantWriter,
  path: SecretPath,
  version: Appending,
) => Promise<WrittenSecret>;

export function placeOf(tenant: Tenant, secret: { id: string; version: number; path: SecretPath }): ValuePlace {
  const { id: objectId, version, path } = secret;
  return { purpose: 'secret', tenantId: tenant.tenantId, objectId, version, path };
}

/** Makes the one function that adds a version: the row lock of the path makes versions consecutive. */
export function createAppend({ keyring, retentionMs, purge }: AppendParts): Append {
  async function refusal(tx: Transaction, { tenant }: ChangeAsking, path: SecretPath, expected: number | null) {
    const { secret } = await lookAt(tx, tenant.tenantId, path, retentionMs);
    if (secret?.recoverableUntil != null) return occupiedRefusal(secret.recoverableUntil);
    // Only its path is still there.
    if (secret === null && !expected) return new Outdated(() => purge(tenant, path));
    return new ApiError('version_conflict', { details: { current_version: secret?.currentVersion ?? 0 } });
  }

  return async (tx, asking, writer, path, version) => {
    const { tenant } = asking;
    const [next, epochs] = await Promise.all([
      takeNextVersion(tx, tenant.tenantId, newId('sec'), path, version),
      // Behind the lock, so that a permission taken away while this waited counts.
      readEpochs(tx, tenant.tenantId),
    ]);
    requireStanding(asking, epochs);
    if (next === null) throw await refusal(tx, asking, path, version.expected);
    if (next.expired) requireDelete(asking, path, 'An expiry in the past');
    const { id, shown } = next;
    const taken = { id, version: shown.version, path };
    const sealed = writer.seal(placeOf(tenant, taken), version.value);
    const created = { by: asking.draft.identityId ?? 'unknown', from: version.from };
    const [stored, superseded] = await Promise.all([
      insertVersion(tx, tenant.tenantId, taken, sealed, created),
      endVersions(tx, tenant, next),
    ]);
    // A rewrap has retired the key since: it is for readers only.
    if (!stored) throw new Outdated(() => keyring.forget(tenant));
    // The new version always takes one place; more than one goes only where the limit was lowered.
    if (version.maxVersions !== null && superseded.length > 1) {
      requireDelete(asking, path, 'Lowering max_versions below what exists');
    }
    return { ...shown, created: shown.version === 1, superseded };
  };
}

/** Statements follow that of the new version on the wire: it counts. */
async function endVersions(tx: Transaction, { tenantId }: Tenant, next: TakenVersion): Promise<readonly number[]> {
  const { id, maxVersions, expiredThrough } = next;
  const { version } = next.shown;
  const expiring =
    expiredThrough > 0 && expiredThrough === version - 1 && expireThrough(tx, tenantId, id, expiredThrough);
  const pushing = version > maxVersions ? pushOut(tx, tenantId, id, maxVersions) : [];
  const [superseded] = await Promise.all([pushing, expiring]);
  return superseded;
}
