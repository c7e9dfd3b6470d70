import type { SecretPath, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { type Queryable, statement } from '../../postgres/database.ts';
import { type EpochColumns, epochsOf, type Found, foundIn, type ReadRow } from '../repository.ts';
import { type StateColumns, secretIn } from '../state/repository.ts';
import type { SecretState } from '../types.ts';

// One round trip for all paths, and the epochs. Together the values may not be larger than what is taken for an answer:
// then none of them is sent, only how large they are.
const READ_MANY = statement(
  'secrets.read_many',
  `SELECT t.policy_epoch, t.subject_epoch, a.path, s.id, s.secret_type, s.current_version, s.description, s.tags,
     s.owner, s.custom, s.created_at, s.expires_at, s.last_accessed_at, s.expires_at <= now() AS expired,
     s.deleted_at + $4::bigint * interval '1 millisecond' AS recoverable_until,
     v.version, v.wrapped_key, v.key_id, v.created_at AS updated_at,
     CASE WHEN sum(octet_length(v.ciphertext)) OVER () <= $5::bigint THEN v.ciphertext END AS ciphertext,
     coalesce(sum(octet_length(v.ciphertext)) OVER (), 0)::bigint AS total_bytes
   FROM tenants t
   LEFT JOIN unnest($2::text[]) AS a(path) ON true
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = a.path
     AND (s.deleted_at IS NULL OR s.deleted_at > now() - $4::bigint * interval '1 millisecond')
   LEFT JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     AND v.version = coalesce($3::integer, s.current_version) AND v.unreadable_at IS NULL
     AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())
   WHERE t.tenant_id = $1`,
);

export interface FoundMany {
  readonly epochs: Epochs;
  /** What was found at each path; of a value that is too large with the others only that there is one. */
  readonly found: ReadonlyMap<SecretPath, Found>;
  /** Bytes of all values. */
  readonly totalBytes: number;
}

type Row = ReadRow & { readonly path: SecretPath | null; readonly total_bytes: number };

/** The version asked for, or the current one, of each path. One statement, also for no path at all. */
export async function readVersions(
  db: Queryable,
  tenantId: TenantId,
  paths: readonly SecretPath[],
  version: number | null,
  limits: { readonly retentionMs: number; readonly maxBytes: number },
): Promise<FoundMany> {
  const values = [tenantId, paths, version, limits.retentionMs, limits.maxBytes];
  const rows = await db.query<Row>(READ_MANY, values);
  const [first] = rows;
  // A tenant is never removed while requests of it are under way; without its row nothing is given.
  if (first === undefined) return { epochs: { policy: 0, subject: 0 }, found: new Map(), totalBytes: 0 };
  const found = rows.flatMap((row) => (row.path === null ? [] : [[row.path, foundIn(row, row.path)] as const]));
  return { epochs: epochsOf(first), found: new Map(found), totalBytes: first.total_bytes };
}

const LOOK_MANY = statement(
  'secrets.look_many',
  `SELECT t.policy_epoch, t.subject_epoch, a.path, s.id, s.secret_type, s.current_version, s.description, s.tags,
     s.owner, s.custom, s.max_versions, s.created_at, s.updated_at, s.expires_at, s.last_accessed_at, s.deleted_at,
     coalesce(s.expires_at <= now(), false) AS expired,
     s.deleted_at + $3::bigint * interval '1 millisecond' AS recoverable_until,
     n.version_count, n.kept_count
   FROM tenants t
   LEFT JOIN unnest($2::text[]) AS a(path) ON true
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = a.path
     AND (s.deleted_at IS NULL OR s.deleted_at > now() - $3::bigint * interval '1 millisecond')
   CROSS JOIN LATERAL (
     SELECT count(*) FILTER (WHERE v.unreadable_at IS NULL)::integer AS version_count,
       count(*) FILTER (WHERE v.destroyed_at IS NULL)::integer AS kept_count
     FROM secret_versions v WHERE v.tenant_id = s.tenant_id AND v.secret_id = s.id) AS n
   WHERE t.tenant_id = $1`,
);

export interface LookedMany {
  readonly epochs: Epochs;
  /** Those that are there, deleted or not. */
  readonly secrets: ReadonlyMap<SecretPath, SecretState>;
}

/** What is known of the secrets at some paths without their values. One statement, also for no path at all. */
export async function lookAtMany(
  db: Queryable,
  tenantId: TenantId,
  paths: readonly SecretPath[],
  retentionMs: number,
): Promise<LookedMany> {
  type Row = EpochColumns & StateColumns & { readonly path: SecretPath | null };
  const rows = await db.query<Row>(LOOK_MANY, [tenantId, paths, retentionMs]);
  const secrets = new Map<SecretPath, SecretState>();
  for (const row of rows) {
    const secret = row.path === null ? null : secretIn(row, row.path);
    if (secret !== null) secrets.set(secret.path, secret);
  }
  return { epochs: rows[0] === undefined ? { policy: 0, subject: 0 } : epochsOf(rows[0]), secrets };
}
