import type { AuditService } from '../../audit/service.ts';
import { ApiError } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ChangeAsking } from '../asking.ts';
import { requireDestroy } from '../rights.ts';
import { changeOfSecret } from '../state/change.ts';
import { requirePresent, requireRecorded, requireVersion } from '../state/require.ts';
import type { SecretSettings, SecretState } from '../types.ts';
import { knownVersions, markDeleted, shredSecret, shredVersions, unmarkDeleted } from './repository.ts';

/** What became of a secret that was deleted. */
export interface Deleted {
  readonly path: SecretPath;
  readonly permanent: boolean;
  /** Versions that went: that could be read, or that still had a value. */
  readonly versionCount: number;
  /** Null: it cannot be undone. */
  readonly recoverableUntil: Date | null;
  /** When backups do not hold it any more either; null where nothing was destroyed, or it is not known. */
  readonly unrecoverableAfter: Date | null;
}

export interface Destroyed {
  readonly path: SecretPath;
  readonly currentVersion: number;
  /** Those that still had a value. */
  readonly versions: readonly number[];
  readonly unrecoverableAfter: Date | null;
}

export interface DeletionParts {
  readonly audit: Pick<AuditService, 'commit'>;
  readonly clock: Clock;
  readonly settings: SecretSettings;
}

export function createDeletion({ audit, clock, settings }: DeletionParts) {
  const { retentionMs, backupRetentionMs, destroyProtection } = settings;
  const change = changeOfSecret(audit, retentionMs);
  const unrecoverableAfter = () => (backupRetentionMs === null ? null : new Date(clock.nowMs() + backupRetentionMs));
  const admitDestroying = async (asking: ChangeAsking, path: SecretPath) => {
    if (destroyProtection) await requireDestroy(asking, path);
  };

  return {
    /** Makes a secret unreadable until it is undeleted, or its retention over. */
    softDelete: (asking: ChangeAsking, path: SecretPath, expected: number | null) =>
      change(asking, path, async (tx, found) => {
        const secret = requirePresent(found);
        requireVersion(secret, expected);
        const { tenantId } = asking.tenant;
        const deleted: Deleted = {
          path,
          permanent: false,
          versionCount: secret.versionCount,
          recoverableUntil: await markDeleted(tx, tenantId, secret.id, retentionMs),
          unrecoverableAfter: null,
        };
        const extra = { permanent: false, version_count: deleted.versionCount };
        return { value: deleted, facts: { version: secret.currentVersion, extra } };
      }),

    /** Destroys a secret with all its versions, deleted before or not. Its path is free afterwards. */
    destroySecret: (asking: ChangeAsking, path: SecretPath, expected: number | null) =>
      change(
        asking,
        path,
        async (tx, found) => {
          const secret = requireRecorded(found);
          requireVersion(secret, expected);
          const deleted: Deleted = {
            path,
            permanent: true,
            versionCount: await shredSecret(tx, asking.tenant.tenantId, secret.id),
            recoverableUntil: null,
            unrecoverableAfter: unrecoverableAfter(),
          };
          const extra = { permanent: true, version_count: deleted.versionCount };
          return { value: deleted, facts: { version: secret.currentVersion, extra } };
        },
        () => admitDestroying(asking, path),
      ),

    undelete: (asking: ChangeAsking, path: SecretPath, expected: number | null) =>
      change(asking, path, async (tx, found) => {
        const secret = requireUndeletable(requireRecorded(found));
        requireVersion(secret, expected);
        await unmarkDeleted(tx, asking.tenant.tenantId, secret.id);
        const value: SecretState = { ...secret, deletedAt: null, recoverableUntil: null };
        return { value, facts: { version: secret.currentVersion } };
      }),

    /** Destroys versions, also of a deleted secret; the current one too. All of them must be versions of it. */
    destroyVersions: (asking: ChangeAsking, path: SecretPath, versions: readonly number[], expected: number | null) =>
      change(
        asking,
        path,
        async (tx, found) => {
          const secret = requireRecorded(found);
          requireVersion(secret, expected);
          const { tenantId } = asking.tenant;
          const known = await knownVersions(tx, tenantId, secret.id, versions);
          requireAllKnown(versions, known, secret);
          const destroyed: Destroyed = {
            path,
            currentVersion: secret.currentVersion,
            versions: await shredVersions(tx, tenantId, secret.id, versions),
            unrecoverableAfter: unrecoverableAfter(),
          };
          return { value: destroyed, facts: { extra: { versions_destroyed: destroyed.versions } } };
        },
        () => admitDestroying(asking, path),
      ),
  };
}

/** @throws ApiError `secret_exists`, `version_not_found` */
function requireUndeletable(secret: SecretState): SecretState {
  if (secret.deletedAt === null) {
    throw new ApiError('secret_exists', { message: 'The secret is not deleted: there is nothing to bring back.' });
  }
  if (secret.keptCount === 0) {
    throw new ApiError('version_not_found', {
      message: 'All versions of this secret were destroyed: nothing can be brought back. Delete it for good instead.',
      details: { current_version: secret.currentVersion },
    });
  }
  return secret;
}

function requireAllKnown(versions: readonly number[], known: ReadonlySet<number>, secret: SecretState): void {
  const missing = versions.filter((version) => !known.has(version));
  if (missing.length === 0) return;
  throw new ApiError('version_not_found', {
    message: 'The secret has no such version. Nothing was destroyed.',
    details: { versions: missing, current_version: secret.currentVersion },
  });
}
