/** A secret as a whole: its metadata, options and history; never a value. */
import type { SecretPath, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import type { SealedValue } from '../../keys/keyring.ts';
import { type Queryable, statement, type Transaction } from '../../postgres/database.ts';
import { expiryValues } from '../append/repository.ts';
import { type CommonColumns, type EpochColumns, epochsOf } from '../repository.ts';
import type { Changes, SecretState } from '../types.ts';

// Nothing but the lock: what the row says is read by the next statement, which sees what others have committed.
const LOCK = statement('secrets.lock', 'SELECT id FROM secrets WHERE tenant_id = $1 AND path = $2 FOR UPDATE');

const LOOK = statement(
  'secrets.look',
  `SELECT t.policy_epoch, t.subject_epoch, s.id, s.secret_type, s.current_version, s.description, s.tags, s.owner,
     s.custom, s.max_versions, s.created_at, s.updated_at, s.expires_at, s.last_accessed_at, s.deleted_at,
     coalesce(s.expires_at <= now(), false) AS expired,
     s.deleted_at + $3::bigint * interval '1 millisecond' AS recoverable_until,
     n.version_count, n.kept_count
   FROM tenants t
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = $2
     AND (s.deleted_at IS NULL OR s.deleted_at > now() - $3::bigint * interval '1 millisecond')
   CROSS JOIN LATERAL (
     SELECT count(*) FILTER (WHERE v.unreadable_at IS NULL)::integer AS version_count,
       count(*) FILTER (WHERE v.destroyed_at IS NULL)::integer AS kept_count
     FROM secret_versions v WHERE v.tenant_id = s.tenant_id AND v.secret_id = s.id) AS n
   WHERE t.tenant_id = $1`,
);

const CHANGE = statement(
  'secrets.change',
  `UPDATE secrets SET
     description = coalesce($3, description),
     tags = coalesce($4::text[], tags),
     owner = coalesce($5, owner),
     custom = coalesce($6::jsonb, custom),
     max_versions = coalesce($7::integer, max_versions),
     expires_at = CASE WHEN $8::boolean THEN expires_at
       ELSE coalesce($9::timestamptz, now() + $10::bigint * interval '1 millisecond') END,
     updated_at = now()
   WHERE tenant_id = $1 AND id = $2`,
);

const SOURCE = statement(
  'secrets.source',
  `SELECT version, ciphertext, wrapped_key, key_id, unreadable_at IS NULL AS readable
   FROM secret_versions
   WHERE tenant_id = $1 AND secret_id = $2 AND version = $3 AND destroyed_at IS NULL
     AND (unreadable_at IS NULL OR unreadable_at > now() - $4::bigint * interval '1 millisecond')`,
);

export interface StateColumns extends CommonColumns {
  readonly id: string | null;
  readonly current_version: number;
  readonly max_versions: number;
  readonly deleted_at: Date | null;
  readonly expired: boolean;
  readonly recoverable_until: Date | null;
  readonly version_count: number;
  readonly kept_count: number;
}

export interface Looked {
  readonly epochs: Epochs;
  /** Null: there is none, or its retention is over. */
  readonly secret: SecretState | null;
}

/** A secret, deleted or not, and the epochs. One statement, whether there is something or not. */
export async function lookAt(
  db: Queryable,
  tenantId: TenantId,
  path: SecretPath,
  retentionMs: number,
): Promise<Looked> {
  const [row] = await db.query<EpochColumns & StateColumns>(LOOK, [tenantId, path, retentionMs]);
  if (row === undefined) return { epochs: { policy: 0, subject: 0 }, secret: null };
  return { epochs: epochsOf(row), secret: secretIn(row, path) };
}

/** What a row says of the secret at a path. */
export function secretIn(row: StateColumns, path: SecretPath): SecretState | null {
  const { id, description, tags, owner, custom } = row;
  if (id === null) return null;
  return {
    id,
    path,
    secretType: row.secret_type,
    metadata: { description, tags, owner, custom },
    currentVersion: row.current_version,
    versionCount: row.version_count,
    keptCount: row.kept_count,
    maxVersions: row.max_versions,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastAccessedAt: row.last_accessed_at,
    expiresAt: row.expires_at,
    expired: row.expired,
    deletedAt: row.deleted_at,
    recoverableUntil: row.recoverable_until,
  };
}

/** The same, with the secret's row locked until the transaction ends. One round trip. */
export async function lockAndLook(
  tx: Transaction,
  tenantId: TenantId,
  path: SecretPath,
  retentionMs: number,
): Promise<Looked> {
  const [, looked] = await Promise.all([tx.query(LOCK, [tenantId, path]), lookAt(tx, tenantId, path, retentionMs)]);
  return looked;
}

/** Changes metadata and options of a secret that is locked. */
export async function changeSecretRow(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  changes: Changes,
): Promise<void> {
  const { description, tags, owner, custom } = changes.metadata;
  await tx.query(CHANGE, [
    tenantId,
    secretId,
    description ?? null,
    tags ?? null,
    owner ?? null,
    custom === undefined ? null : JSON.stringify(custom),
    changes.maxVersions,
    ...expiryValues(changes),
  ]);
}

export interface SourceVersion {
  readonly version: number;
  readonly sealed: SealedValue;
  /** Not pushed out and not expired by an earlier expiry; the secret's present one is not looked at. */
  readonly readable: boolean;
}

/** A version to make a new one from. @returns null when it is not there, destroyed, or its retention over */
export async function readSource(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  version: number,
  retentionMs: number,
): Promise<SourceVersion | null> {
  const [row] = await tx.query<{
    version: number;
    ciphertext: Buffer;
    wrapped_key: Buffer;
    key_id: SealedValue['keyId'];
    readable: boolean;
  }>(SOURCE, [tenantId, secretId, version, retentionMs]);
  if (row === undefined) return null;
  const sealed = { ciphertext: row.ciphertext, wrappedKey: row.wrapped_key, keyId: row.key_id };
  return { version: row.version, sealed, readable: row.readable };
}
