/** Answers, as they are sent. */
import { isoTime, isoTimeOrNull } from '../lib/clock.ts';
import type { Deleted, Destroyed } from './deletion/delete.ts';
import type { HistoryPage } from './history/history.ts';
import type { SecretState, SecretVersion } from './types.ts';

export function etag(version: number): { readonly ETag: string } {
  return { ETag: `"${version}"` };
}

/** The members of an answer that are not the value. */
export function versionBody(secret: SecretVersion) {
  return {
    path: secret.path,
    secret_type: secret.secretType,
    version: secret.version,
    metadata: secret.metadata,
    created_at: isoTime(secret.createdAt),
    updated_at: isoTime(secret.updatedAt),
    expires_at: isoTimeOrNull(secret.expiresAt),
    last_accessed_at: isoTimeOrNull(secret.lastAccessedAt),
    rotation_policy_id: null,
    secret_policy_id: null,
  };
}

export function stateBody(secret: SecretState) {
  return {
    path: secret.path,
    secret_type: secret.secretType,
    current_version: secret.currentVersion,
    version_count: secret.versionCount,
    metadata: secret.metadata,
    options: { max_versions: secret.maxVersions },
    created_at: isoTime(secret.createdAt),
    updated_at: isoTime(secret.updatedAt),
    expires_at: isoTimeOrNull(secret.expiresAt),
    last_accessed_at: isoTimeOrNull(secret.lastAccessedAt),
    deleted_at: isoTimeOrNull(secret.deletedAt),
    recoverable_until: isoTimeOrNull(secret.recoverableUntil),
    rotation_policy_id: null,
    secret_policy_id: null,
  };
}

export function historyBody(path: string, page: HistoryPage) {
  return {
    path,
    current_version: page.currentVersion,
    versions: page.versions.map((version) => ({
      version: version.version,
      created_at: isoTime(version.createdAt),
      created_by: version.createdBy,
      created_from: version.createdFrom,
      state: version.state,
      readable: version.readable,
      readable_until: isoTimeOrNull(version.readableUntil),
    })),
    cursor: page.cursor,
    has_more: page.cursor !== null,
  };
}

export function deletedBody(deleted: Deleted) {
  return {
    path: deleted.path,
    permanent: deleted.permanent,
    version_count: deleted.versionCount,
    recoverable_until: isoTimeOrNull(deleted.recoverableUntil),
    unrecoverable_after: isoTimeOrNull(deleted.unrecoverableAfter),
  };
}

export function destroyedBody(destroyed: Destroyed) {
  return {
    path: destroyed.path,
    current_version: destroyed.currentVersion,
    versions_destroyed: destroyed.versions,
    unrecoverable_after: isoTimeOrNull(destroyed.unrecoverableAfter),
  };
}
