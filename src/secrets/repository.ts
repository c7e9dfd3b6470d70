import type { KeyId, SecretPath, TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { SealedValue } from '../keys/keyring.ts';
import { type Queryable, statement, type Transaction } from '../postgres/database.ts';
import type { Metadata, SecretType, SecretVersion } from './types.ts';

// One round trip: the secret, the version asked for, and the epochs that say whether the decision still holds.
const READ = statement(
  'secrets.read',
  `SELECT t.policy_epoch, t.subject_epoch, s.id, s.secret_type, s.current_version, s.description, s.tags, s.owner,
     s.custom, s.created_at, v.version, v.ciphertext, v.wrapped_key, v.key_id, v.created_at AS updated_at
   FROM tenants t
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = $2
   LEFT JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     AND v.version = coalesce($3::integer, s.current_version)
   WHERE t.tenant_id = $1`,
);

// Locks the secret's row, so that writers of one path follow each other and versions are consecutive. Without the
// expected version nothing is written and no row comes back.
const NEXT_VERSION = statement(
  'secrets.next_version',
  `INSERT INTO secrets AS s (tenant_id, id, path, secret_type, current_version, description, tags, owner, custom)
   SELECT $1, $2, $3, coalesce($4, 'kv'), 1, coalesce($5, ''), coalesce($6::text[], '{}'), coalesce($7, ''),
     coalesce($8::jsonb, '{}')
   WHERE $9::integer IS NULL OR $9 = 0
     OR EXISTS (SELECT 1 FROM secrets e WHERE e.tenant_id = $1 AND e.path = $3)
   ON CONFLICT ON CONSTRAINT secrets_path DO UPDATE SET
     current_version = s.current_version + 1,
     secret_type = coalesce($4, s.secret_type),
     description = coalesce($5, s.description),
     tags = coalesce($6::text[], s.tags),
     owner = coalesce($7, s.owner),
     custom = coalesce($8::jsonb, s.custom),
     updated_at = now()
   WHERE $9::integer IS NULL OR s.current_version = $9
   RETURNING id, secret_type, current_version AS version, description, tags, owner, custom, created_at, updated_at`,
);

const CURRENT_VERSION = statement(
  'secrets.current_version',
  'SELECT current_version FROM secrets WHERE tenant_id = $1 AND path = $2',
);

// Stores the wrap only while its key is active, and keeps the key so until the commit: no write can name a key that a
// rewrap has retired meanwhile. No row: the writer loads its keys again.
const INSERT_VERSION = statement(
  'secrets.insert_version',
  `INSERT INTO secret_versions (tenant_id, secret_id, version, ciphertext, wrapped_key, key_id, created_by)
   SELECT k.tenant_id, $2, $3, $4, $5, k.id, $7
   FROM (SELECT tenant_id, id FROM tenant_keys
         WHERE tenant_id = $1 AND id = $6 AND state = 'active' FOR KEY SHARE) AS k
   RETURNING version`,
);

const EPOCHS = statement('secrets.epochs', 'SELECT policy_epoch, subject_epoch FROM tenants WHERE tenant_id = $1');

interface EpochColumns {
  readonly policy_epoch: number;
  readonly subject_epoch: number;
}

interface SecretColumns {
  readonly id: string;
  readonly secret_type: SecretType;
  readonly version: number;
  readonly description: string;
  readonly tags: readonly string[];
  readonly owner: string;
  readonly custom: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
  readonly updated_at: Date;
}

interface ReadColumns extends EpochColumns, SecretColumns {
  readonly current_version: number;
  readonly ciphertext: Buffer;
  readonly wrapped_key: Buffer;
  readonly key_id: KeyId;
}

type ReadRow = EpochColumns & { [Column in keyof Omit<ReadColumns, keyof EpochColumns>]: ReadColumns[Column] | null };

export interface StoredVersion extends SecretVersion {
  /** The secret's internal id, which its ciphertext is bound to. */
  readonly id: string;
  readonly sealed: SealedValue;
}

export type Found =
  | { readonly found: 'version'; readonly epochs: Epochs; readonly stored: StoredVersion }
  | { readonly found: 'no_version'; readonly epochs: Epochs; readonly currentVersion: number }
  | { readonly found: 'nothing'; readonly epochs: Epochs };

function describe(path: SecretPath, row: SecretColumns): SecretVersion & { readonly id: string } {
  const { description, tags, owner, custom } = row;
  return {
    id: row.id,
    path,
    secretType: row.secret_type,
    version: row.version,
    metadata: { description, tags, owner, custom },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function hasSecret(row: ReadRow): row is ReadRow & { current_version: number } {
  return row.id !== null;
}

function hasVersion(row: ReadRow): row is ReadRow & ReadColumns {
  return row.version !== null;
}

function epochsOf(row: EpochColumns): Epochs {
  return { policy: row.policy_epoch, subject: row.subject_epoch };
}

/** The version asked for, or the current one. One round trip, whether there is something or not. */
export async function readVersion(
  db: Queryable,
  tenantId: TenantId,
  path: SecretPath,
  version: number | null,
): Promise<Found> {
  const [row] = await db.query<ReadRow>(READ, [tenantId, path, version]);
  // A tenant is never removed while requests of it are under way; without its row nothing is given.
  if (row === undefined) return { found: 'nothing', epochs: { policy: 0, subject: 0 } };
  const epochs = epochsOf(row);
  if (hasVersion(row)) {
    const sealed = { ciphertext: row.ciphertext, wrappedKey: row.wrapped_key, keyId: row.key_id };
    return { found: 'version', epochs, stored: { ...describe(path, row), sealed } };
  }
  return hasSecret(row)
    ? { found: 'no_version', epochs, currentVersion: row.current_version }
    : { found: 'nothing', epochs };
}

export interface NewVersion {
  readonly secretType: SecretType | null;
  readonly metadata: Partial<Metadata>;
  /** The version that the writer expects to replace; 0: none; null: whatever there is. */
  readonly expected: number | null;
}

/**
 * Takes the next version number of a path, and its row's lock until the transaction ends.
 * @returns null when the path is not at the expected version
 */
export async function takeNextVersion(
  tx: Transaction,
  tenantId: TenantId,
  newId: string,
  path: SecretPath,
  change: NewVersion,
): Promise<(SecretVersion & { readonly id: string }) | null> {
  const { description, tags, owner, custom } = change.metadata;
  const [row] = await tx.query<SecretColumns>(NEXT_VERSION, [
    tenantId,
    newId,
    path,
    change.secretType,
    description ?? null,
    tags ?? null,
    owner ?? null,
    custom === undefined ? null : JSON.stringify(custom),
    change.expected,
  ]);
  return row === undefined ? null : describe(path, row);
}

/** The current version of a path, 0 when there is none. */
export async function currentVersion(tx: Transaction, tenantId: TenantId, path: SecretPath): Promise<number> {
  const [row] = await tx.query<{ current_version: number }>(CURRENT_VERSION, [tenantId, path]);
  return row?.current_version ?? 0;
}

/** @returns false when the key that wrapped the data key is not active any more */
export async function insertVersion(
  tx: Transaction,
  tenantId: TenantId,
  secret: { readonly id: string; readonly version: number },
  sealed: SealedValue,
  createdBy: string,
): Promise<boolean> {
  const rows = await tx.query(INSERT_VERSION, [
    tenantId,
    secret.id,
    secret.version,
    sealed.ciphertext,
    sealed.wrappedKey,
    sealed.keyId,
    createdBy,
  ]);
  return rows.length === 1;
}

/** The tenant's epochs as this transaction sees them. */
export async function readEpochs(tx: Transaction, tenantId: TenantId): Promise<Epochs> {
  const [row] = await tx.query<EpochColumns>(EPOCHS, [tenantId]);
  return row === undefined ? { policy: 0, subject: 0 } : epochsOf(row);
}
