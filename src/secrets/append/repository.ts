/** Adding a version, and ending those that it takes the place of. */
import type { SecretPath, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import type { SealedValue } from '../../keys/keyring.ts';
import { statement, type Transaction } from '../../postgres/database.ts';
import { describeVersion, type EpochColumns, epochsOf, type SecretColumns } from '../repository.ts';
import type { Changes, SecretType, SecretVersion } from '../types.ts';

// Locks the secret's row, so that writers of one path follow each other and versions are consecutive. Without the
// expected version, and where a deleted secret is, nothing is written and no row comes back.
const NEXT_VERSION = statement(
  'secrets.next_version',
  `INSERT INTO secrets AS s (tenant_id, id, path, secret_type, current_version, description, tags, owner, custom,
     max_versions, expires_at)
   SELECT $1, $2, $3, coalesce($4, 'kv'), 1, coalesce($5, ''), coalesce($6::text[], '{}'), coalesce($7, ''),
     coalesce($8::jsonb, '{}'), coalesce($10::integer, 10),
     coalesce($12::timestamptz, now() + $13::bigint * interval '1 millisecond')
   WHERE $9::integer IS NULL OR $9 = 0
     OR EXISTS (SELECT 1 FROM secrets e WHERE e.tenant_id = $1 AND e.path = $3)
   ON CONFLICT ON CONSTRAINT secrets_path DO UPDATE SET
     current_version = s.current_version + 1,
     secret_type = coalesce($4, s.secret_type),
     description = coalesce($5, s.description),
     tags = coalesce($6::text[], s.tags),
     owner = coalesce($7, s.owner),
     custom = coalesce($8::jsonb, s.custom),
     max_versions = coalesce($10::integer, s.max_versions),
     expires_at = CASE
       WHEN NOT $11::boolean THEN coalesce($12::timestamptz, now() + $13::bigint * interval '1 millisecond')
       WHEN s.expires_at > now() THEN s.expires_at END,
     expired_through = CASE WHEN s.expires_at <= now() THEN s.current_version ELSE s.expired_through END,
     updated_at = now()
   WHERE s.deleted_at IS NULL AND ($9::integer IS NULL OR s.current_version = $9)
   RETURNING id, secret_type, current_version AS version, description, tags, owner, custom, created_at, updated_at,
     expires_at, last_accessed_at, coalesce(expires_at <= now(), false) AS expired, max_versions, expired_through`,
);

// Stores the wrap only while its key is active, and keeps the key so until the commit: no write can name a key that a
// rewrap has retired meanwhile. No row: the writer loads its keys again.
const INSERT_VERSION = statement(
  'secrets.insert_version',
  `INSERT INTO secret_versions (tenant_id, secret_id, version, ciphertext, wrapped_key, key_id, created_by, created_from)
   SELECT k.tenant_id, $2, $3, $4, $5, k.id, $7, $8
   FROM (SELECT tenant_id, id FROM tenant_keys
         WHERE tenant_id = $1 AND id = $6 AND state = 'active' FOR KEY SHARE) AS k
   RETURNING version`,
);

// The newest ones stay. Counted by an index of readable versions alone, so that a long history costs nothing.
const PUSH_OUT = statement(
  'secrets.push_out',
  `UPDATE secret_versions v SET unreadable_at = now()
   FROM (SELECT version FROM secret_versions
         WHERE tenant_id = $1 AND secret_id = $2 AND unreadable_at IS NULL
         ORDER BY version DESC OFFSET $3::integer) AS beyond
   WHERE v.tenant_id = $1 AND v.secret_id = $2 AND v.version = beyond.version
   RETURNING v.version`,
);

const EXPIRE_THROUGH = statement(
  'secrets.expire_through',
  `UPDATE secret_versions SET unreadable_at = now()
   WHERE tenant_id = $1 AND secret_id = $2 AND version <= $3 AND unreadable_at IS NULL`,
);

const EPOCHS = statement('secrets.epochs', 'SELECT policy_epoch, subject_epoch FROM tenants WHERE tenant_id = $1');

export interface NewVersion extends Changes {
  readonly secretType: SecretType | null;
  /** The version that the writer expects to replace; 0: none; null: whatever there is. */
  readonly expected: number | null;
}

export interface TakenVersion {
  readonly id: string;
  readonly shown: SecretVersion;
  /** It ends in the past. */
  readonly expired: boolean;
  readonly maxVersions: number;
  /** Versions up to this one have expired. */
  readonly expiredThrough: number;
}

/** `keep`, `at` and `in` as SQL takes them. */
export function expiryValues({ expiry }: Pick<Changes, 'expiry'>): [boolean, Date | null, number | null] {
  return [expiry.type === 'keep', expiry.type === 'at' ? expiry.at : null, expiry.type === 'in' ? expiry.ms : null];
}

/**
 * Takes the next version number of a path, and its row's lock until the transaction ends.
 * @returns null when the path is not at the expected version, or its secret deleted
 */
export async function takeNextVersion(
  tx: Transaction,
  tenantId: TenantId,
  newId: string,
  path: SecretPath,
  change: NewVersion,
): Promise<TakenVersion | null> {
  const { description, tags, owner, custom } = change.metadata;
  const [row] = await tx.query<SecretColumns & { max_versions: number; expired_through: number }>(NEXT_VERSION, [
    tenantId,
    newId,
    path,
    change.secretType,
    description ?? null,
    tags ?? null,
    owner ?? null,
    custom === undefined ? null : JSON.stringify(custom),
    change.expected,
    change.maxVersions,
    ...expiryValues(change),
  ]);
  if (row === undefined) return null;
  const { id, max_versions: maxVersions, expired_through: expiredThrough, expired } = row;
  return { id, shown: describeVersion(path, row), expired: expired === true, maxVersions, expiredThrough };
}

/** @returns false when the key that wrapped the data key is not active any more */
export async function insertVersion(
  tx: Transaction,
  tenantId: TenantId,
  secret: { readonly id: string; readonly version: number },
  sealed: SealedValue,
  created: { readonly by: string; readonly from: number | null },
): Promise<boolean> {
  const rows = await tx.query(INSERT_VERSION, [
    tenantId,
    secret.id,
    secret.version,
    sealed.ciphertext,
    sealed.wrappedKey,
    sealed.keyId,
    created.by,
    created.from,
  ]);
  return rows.length === 1;
}

/** Makes all readable versions but the newest unreadable. @returns which ones, oldest first */
export async function pushOut(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  maxVersions: number,
): Promise<readonly number[]> {
  if (maxVersions === 0) return [];
  const rows = await tx.query<{ version: number }>(PUSH_OUT, [tenantId, secretId, maxVersions]);
  return rows.map(({ version }) => version).sort((a, b) => a - b);
}

/** Makes versions that have expired unreadable for good, before a newer one begins another time. */
export async function expireThrough(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  version: number,
): Promise<void> {
  await tx.query(EXPIRE_THROUGH, [tenantId, secretId, version]);
}

/** The tenant's epochs as this transaction sees them. */
export async function readEpochs(tx: Transaction, tenantId: TenantId): Promise<Epochs> {
  const [row] = await tx.query<EpochColumns>(EPOCHS, [tenantId]);
  return row === undefined ? { policy: 0, subject: 0 } : epochsOf(row);
}
