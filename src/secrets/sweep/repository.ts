/** What retention has ended for. It asks about the whole installation; whatever is changed names its tenant. */
import type { PartnerId, SecretPath, TenantId } from '../../contract/names.ts';
import { type Queryable, statement, type Transaction } from '../../postgres/database.ts';

// Tenant by tenant through the index, so that what is not due is not looked at.
const DUE_VERSIONS = statement(
  'secrets.due_versions',
  `SELECT t.tenant_id, t.partner_id, due.secret_id AS id
   FROM tenants t CROSS JOIN LATERAL (
     SELECT DISTINCT oldest.secret_id FROM (
       SELECT v.secret_id FROM secret_versions v
       WHERE v.tenant_id = t.tenant_id AND v.unreadable_at <= now() - $1::bigint * interval '1 millisecond'
         AND v.unreadable_at IS NOT NULL AND v.destroyed_at IS NULL
       ORDER BY v.unreadable_at LIMIT $2) AS oldest) AS due
   LIMIT $2`,
);

const DUE_SECRETS = statement(
  'secrets.due_secrets',
  `SELECT t.tenant_id, t.partner_id, due.id
   FROM tenants t CROSS JOIN LATERAL (
     SELECT s.id FROM secrets s
     WHERE s.tenant_id = t.tenant_id AND s.deleted_at <= now() - $1::bigint * interval '1 millisecond'
       AND s.deleted_at IS NOT NULL
     ORDER BY s.deleted_at LIMIT $2) AS due
   LIMIT $2`,
);

const DUE_AT = statement(
  'secrets.due_at',
  `SELECT id FROM secrets
   WHERE tenant_id = $1 AND path = $2 AND deleted_at <= now() - $3::bigint * interval '1 millisecond'`,
);

// Whoever holds the row is doing the same, or brings a new version: the next sweep will see.
const HOLD_SECRET = statement(
  'secrets.hold_secret',
  'SELECT path FROM secrets WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED',
);

const HOLD_DUE = statement(
  'secrets.hold_due',
  `SELECT path FROM secrets
   WHERE tenant_id = $1 AND id = $2 AND deleted_at <= now() - $3::bigint * interval '1 millisecond'
   FOR UPDATE SKIP LOCKED`,
);

const DUE_OF_SECRET = statement(
  'secrets.due_of_secret',
  `SELECT version FROM secret_versions
   WHERE tenant_id = $1 AND secret_id = $2 AND unreadable_at <= now() - $3::bigint * interval '1 millisecond'
     AND unreadable_at IS NOT NULL AND destroyed_at IS NULL
   ORDER BY unreadable_at LIMIT $4`,
);

export interface DueSecret {
  readonly tenantId: TenantId;
  readonly partnerId: PartnerId;
  readonly id: string;
}

interface DueRow {
  readonly tenant_id: TenantId;
  readonly partner_id: PartnerId;
  readonly id: string;
}

function toDue({ tenant_id: tenantId, partner_id: partnerId, id }: DueRow): DueSecret {
  return { tenantId, partnerId, id };
}

/** Secrets with versions that have been unreadable for longer than the retention. */
export async function dueVersions(db: Queryable, retentionMs: number, limit: number): Promise<readonly DueSecret[]> {
  return (await db.query<DueRow>(DUE_VERSIONS, [retentionMs, limit])).map(toDue);
}

/** Secrets that were deleted longer ago than the retention. */
export async function dueSecrets(db: Queryable, retentionMs: number, limit: number): Promise<readonly DueSecret[]> {
  return (await db.query<DueRow>(DUE_SECRETS, [retentionMs, limit])).map(toDue);
}

/** The id of such a secret at a path. */
export async function dueAt(
  db: Queryable,
  tenantId: TenantId,
  path: SecretPath,
  retentionMs: number,
): Promise<string | null> {
  const [row] = await db.query<{ id: string }>(DUE_AT, [tenantId, path, retentionMs]);
  return row?.id ?? null;
}

/** Locks a secret and finds its versions that are due. @returns null where somebody else holds it, or it is gone */
export async function holdDueVersions(
  tx: Transaction,
  { tenantId, id }: DueSecret,
  retentionMs: number,
  limit: number,
): Promise<{ readonly path: SecretPath; readonly versions: readonly number[] } | null> {
  const [[secret], rows] = await Promise.all([
    tx.query<{ path: SecretPath }>(HOLD_SECRET, [tenantId, id]),
    tx.query<{ version: number }>(DUE_OF_SECRET, [tenantId, id, retentionMs, limit]),
  ]);
  return secret === undefined ? null : { path: secret.path, versions: rows.map(({ version }) => version) };
}

/** Locks a deleted secret whose retention is over. @returns null where somebody else holds it, or it is not so */
export async function holdDueSecret(
  tx: Transaction,
  { tenantId, id }: DueSecret,
  retentionMs: number,
): Promise<SecretPath | null> {
  const [row] = await tx.query<{ path: SecretPath }>(HOLD_DUE, [tenantId, id, retentionMs]);
  return row?.path ?? null;
}
