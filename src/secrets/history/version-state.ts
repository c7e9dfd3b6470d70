import type { VersionRecord, VersionState } from '../types.ts';

/** What a version's state depends on beside the version. */
export interface SecretOfVersion {
  readonly currentVersion: number;
  readonly expiresAt: Date | null;
  readonly expired: boolean;
  readonly deletedAt: Date | null;
  /** Versions up to this one had expired when a newer one was written. */
  readonly expiredThrough: number;
}

export interface VersionRow {
  readonly version: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly createdFrom: number | null;
  readonly unreadableAt: Date | null;
  readonly destroyedAt: Date | null;
}

/** What ends it for longest comes first: a destroyed version of a deleted secret is destroyed. */
function stateOf(secret: SecretOfVersion, row: VersionRow): VersionState {
  if (row.destroyedAt !== null) return 'destroyed';
  if (secret.deletedAt !== null) return 'deleted';
  if (secret.expired || row.version <= secret.expiredThrough) return 'expired';
  return row.version === secret.currentVersion ? 'current' : 'superseded';
}

function earliest(...times: readonly (Date | null)[]): Date | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : new Date(Math.min(...known.map((time) => time.getTime())));
}

export function recordOf(secret: SecretOfVersion, row: VersionRow): VersionRecord {
  const { version, createdAt, createdBy, createdFrom } = row;
  return {
    version,
    createdAt,
    createdBy,
    createdFrom,
    state: stateOf(secret, row),
    readable: row.unreadableAt === null && secret.deletedAt === null && !secret.expired,
    readableUntil: earliest(row.unreadableAt, secret.deletedAt, secret.expiresAt),
  };
}
