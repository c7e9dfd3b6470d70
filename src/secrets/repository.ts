/** Reading a value. */
import type { KeyId, SecretPath, TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { SealedValue } from '../keys/keyring.ts';
import { type Queryable, statement } from '../postgres/database.ts';
import type { SecretType, SecretVersion } from './types.ts';

// One round trip: the secret, the version asked for, and the epochs that say whether the decision still holds.
const READ = statement(
  'secrets.read',
  `SELECT t.policy_epoch, t.subject_epoch, s.id, s.secret_type, s.current_version, s.description, s.tags, s.owner,
     s.custom, s.created_at, s.expires_at, s.last_accessed_at, s.expires_at <= now() AS expired,
     s.deleted_at + $4::bigint * interval '1 millisecond' AS recoverable_until,
     v.version, v.ciphertext, v.wrapped_key, v.key_id, v.created_at AS updated_at
   FROM tenants t
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = $2
     AND (s.deleted_at IS NULL OR s.deleted_at > now() - $4::bigint * interval '1 millisecond')
   LEFT JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     AND v.version = coalesce($3::integer, s.current_version) AND v.unreadable_at IS NULL
   WHERE t.tenant_id = $1`,
);

export interface EpochColumns {
  readonly policy_epoch: number;
  readonly subject_epoch: number;
}

/** What every statement says of a secret. */
export interface CommonColumns {
  readonly secret_type: SecretType;
  readonly description: string;
  readonly tags: readonly string[];
  readonly owner: string;
  readonly custom: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly expires_at: Date | null;
  readonly last_accessed_at: Date | null;
}

export interface SecretColumns extends CommonColumns {
  readonly id: string;
  readonly version: number;
  readonly expired: boolean | null;
}

interface ReadColumns extends EpochColumns, SecretColumns {
  readonly current_version: number;
  readonly recoverable_until: Date;
  readonly ciphertext: Buffer;
  readonly wrapped_key: Buffer;
  readonly key_id: KeyId;
}

export type ReadRow = EpochColumns & {
  [Column in keyof Omit<ReadColumns, keyof EpochColumns>]: ReadColumns[Column] | null;
};

export interface StoredVersion extends SecretVersion {
  /** The secret's internal id, which its ciphertext is bound to. */
  readonly id: string;
  readonly sealed: SealedValue;
}

export type Found =
  | { readonly found: 'version'; readonly epochs: Epochs; readonly stored: StoredVersion }
  | { readonly found: 'no_version'; readonly epochs: Epochs; readonly currentVersion: number }
  | { readonly found: 'expired'; readonly epochs: Epochs; readonly currentVersion: number; readonly at: Date }
  | { readonly found: 'deleted'; readonly epochs: Epochs; readonly recoverableUntil: Date }
  | { readonly found: 'nothing'; readonly epochs: Epochs };

export function describeVersion(path: SecretPath, row: SecretColumns): SecretVersion {
  const { description, tags, owner, custom } = row;
  return {
    path,
    secretType: row.secret_type,
    version: row.version,
    metadata: { description, tags, owner, custom },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    lastAccessedAt: row.last_accessed_at,
  };
}

function hasSecret(row: ReadRow): row is ReadRow & { current_version: number } {
  return row.id !== null;
}

function hasVersion(row: ReadRow): row is ReadRow & ReadColumns {
  return row.version !== null;
}

export function epochsOf(row: EpochColumns): Epochs {
  return { policy: row.policy_epoch, subject: row.subject_epoch };
}

/** The version asked for, or the current one. One round trip, whether there is something or not. */
export async function readVersion(
  db: Queryable,
  tenantId: TenantId,
  path: SecretPath,
  version: number | null,
  retentionMs: number,
): Promise<Found> {
  const [row] = await db.query<ReadRow>(READ, [tenantId, path, version, retentionMs]);
  // A tenant is never removed while requests of it are under way; without its row nothing is given.
  return row === undefined ? { found: 'nothing', epochs: { policy: 0, subject: 0 } } : foundIn(row, path);
}

/** What a row says of the version that was asked for. */
export function foundIn(row: ReadRow, path: SecretPath): Found {
  const epochs = epochsOf(row);
  if (!hasSecret(row)) return { found: 'nothing', epochs };
  const { current_version: currentVersion, expires_at: at, recoverable_until: recoverableUntil } = row;
  if (recoverableUntil !== null) return { found: 'deleted', epochs, recoverableUntil };
  if (row.expired === true && at !== null) return { found: 'expired', epochs, currentVersion, at };
  if (!hasVersion(row)) return { found: 'no_version', epochs, currentVersion };
  const sealed = { ciphertext: row.ciphertext, wrappedKey: row.wrapped_key, keyId: row.key_id };
  return { found: 'version', epochs, stored: { ...describeVersion(path, row), id: row.id, sealed } };
}
