/** Taking secrets and versions away: for a while, and for good. */
import type { TenantId } from '../../contract/names.ts';
import { statement, type Transaction } from '../../postgres/database.ts';

const DELETE = statement(
  'secrets.delete',
  `UPDATE secrets SET deleted_at = now() WHERE tenant_id = $1 AND id = $2
   RETURNING deleted_at + $3::bigint * interval '1 millisecond' AS recoverable_until`,
);

const UNDELETE = statement('secrets.undelete', 'UPDATE secrets SET deleted_at = NULL WHERE tenant_id = $1 AND id = $2');

const VERSIONS = statement(
  'secrets.versions_named',
  `SELECT version FROM secret_versions
   WHERE tenant_id = $1 AND secret_id = $2 AND version = ANY ($3::integer[])`,
);

// Zero bytes of the same length first: the row that is let go of then holds nothing (spec 12, "What deletion and
// rewrap promise").
const ZERO = statement(
  'secrets.zero_versions',
  `UPDATE secret_versions SET
     wrapped_key = decode(repeat('00', octet_length(wrapped_key)), 'hex'),
     ciphertext = decode(repeat('00', octet_length(ciphertext)), 'hex')
   WHERE tenant_id = $1 AND secret_id = $2 AND version = ANY ($3::integer[]) AND destroyed_at IS NULL`,
);

const EMPTY = statement(
  'secrets.empty_versions',
  `UPDATE secret_versions SET wrapped_key = NULL, key_id = NULL, ciphertext = NULL, destroyed_at = now(),
     unreadable_at = coalesce(unreadable_at, now())
   WHERE tenant_id = $1 AND secret_id = $2 AND version = ANY ($3::integer[]) AND destroyed_at IS NULL
   RETURNING version`,
);

const ZERO_ALL = statement(
  'secrets.zero_all_versions',
  `UPDATE secret_versions SET
     wrapped_key = decode(repeat('00', octet_length(wrapped_key)), 'hex'),
     ciphertext = decode(repeat('00', octet_length(ciphertext)), 'hex')
   WHERE tenant_id = $1 AND secret_id = $2 AND destroyed_at IS NULL
   RETURNING version`,
);

const REMOVE = statement('secrets.remove', 'DELETE FROM secrets WHERE tenant_id = $1 AND id = $2');

/** @returns until when it can be undone */
export async function markDeleted(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  retentionMs: number,
): Promise<Date | null> {
  const [row] = await tx.query<{ recoverable_until: Date }>(DELETE, [tenantId, secretId, retentionMs]);
  return row?.recoverable_until ?? null;
}

export async function unmarkDeleted(tx: Transaction, tenantId: TenantId, secretId: string): Promise<void> {
  await tx.query(UNDELETE, [tenantId, secretId]);
}

/** Which of these versions the secret has or had. */
export async function knownVersions(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  versions: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await tx.query<{ version: number }>(VERSIONS, [tenantId, secretId, versions]);
  return new Set(rows.map(({ version }) => version));
}

/** Takes wrap and ciphertext away for good. @returns the versions that still had them, in order */
export async function shredVersions(
  tx: Transaction,
  tenantId: TenantId,
  secretId: string,
  versions: readonly number[],
): Promise<readonly number[]> {
  const values = [tenantId, secretId, versions];
  const [, rows] = await Promise.all([tx.query(ZERO, values), tx.query<{ version: number }>(EMPTY, values)]);
  return rows.map(({ version }) => version).sort((a, b) => a - b);
}

/** Takes a secret away for good; its path is free then. @returns how many versions still had a value */
export async function shredSecret(tx: Transaction, tenantId: TenantId, secretId: string): Promise<number> {
  const [zeroed] = await Promise.all([
    tx.query(ZERO_ALL, [tenantId, secretId]),
    tx.query(REMOVE, [tenantId, secretId]),
  ]);
  return zeroed.length;
}
