import type { TenantId } from '../contract/names.ts';
import { DatabaseUnavailable, type Queryable, type SqlValue, statement } from '../postgres/database.ts';
import type { ChainedEntry } from './chain.ts';
import type { AuditEntry } from './entry.ts';

/** The chain's lock goes with its transaction, so whoever gets it knows that no commit to this chain is under way. */
const INSERT = statement(
  'audit.insert',
  `INSERT INTO audit_log (tenant_id, "timestamp", id, partner_id, action, secret_path, resource, identity_type,
     identity_id, on_behalf_of, source_ip, user_agent, success, error_code, duration_ms, request_id, version, decision,
     extra_data, instance_id, chain_id, seq, salt, prev_hash, leaf_hash, hash)
   SELECT e.tenant_id, e."timestamp", e.id, e.partner_id, e.action, e.secret_path, e.resource, e.identity_type,
     e.identity_id, e.on_behalf_of, e.source_ip, e.user_agent, e.success, e.error_code, e.duration_ms, e.request_id,
     e.version, e.decision, e.extra_data, e.instance_id, e.chain_id, e.seq, decode(e.salt, 'hex'),
     decode(e.prev_hash, 'hex'), decode(e.leaf_hash, 'hex'), decode(e.hash, 'hex')
   FROM (SELECT pg_advisory_xact_lock(hashtextextended($2, 0))) AS lane,
     jsonb_to_recordset($1::jsonb) AS e(tenant_id text, "timestamp" timestamptz, id text, partner_id text, action text,
       secret_path text, resource text, identity_type text, identity_id text, on_behalf_of text, source_ip text,
       user_agent text, success boolean, error_code text, duration_ms double precision, request_id text,
       version integer, decision jsonb, extra_data jsonb, instance_id text, chain_id text, seq bigint, salt text,
       prev_hash text, leaf_hash text, hash text)`,
);

const CHAIN_IS_FREE = statement(
  'audit.chain_is_free',
  'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free',
);
const FIND_ENTRY = statement(
  'audit.find_entry',
  `SELECT 1 AS found FROM audit_log
   WHERE tenant_id = $1 AND "timestamp" = $2 AND id = $3 AND chain_id = $4 AND seq = $5`,
);
const ENSURE_PARTITIONS = statement('audit.ensure_partitions', 'SELECT audit_ensure_partitions($1) AS made');

// Rows of transactions that may still commit in between are not shown: no row ever appears behind a cursor.
const LIST = statement(
  'audit.list',
  `SELECT id, (extract(epoch FROM "timestamp") * 1000000)::bigint AS micros, tenant_id, partner_id, action, secret_path,
     resource, identity_type, identity_id, on_behalf_of, source_ip, user_agent, success, error_code, duration_ms,
     request_id, version, decision, extra_data, instance_id
   FROM audit_log
   WHERE tenant_id = $1
     AND xid < pg_snapshot_xmin(pg_current_snapshot())
     AND "timestamp" >= $2::timestamptz AND "timestamp" < $3::timestamptz
     AND ("timestamp", id) < ($4::timestamptz, $5::text)
     AND ($6::text[] IS NULL OR action = ANY ($6))
     AND ($7::text IS NULL OR identity_id = $7)
     AND ($8::text IS NULL OR identity_type = $8)
     AND ($9::text IS NULL OR starts_with(secret_path, $9))
     AND ($10::boolean IS NULL OR success = $10)
     AND ($11::text IS NULL OR source_ip = $11)
     AND ($12::text IS NULL OR request_id = $12)
   ORDER BY "timestamp" DESC, id DESC
   LIMIT $13`,
);

export type AuditRow = Omit<AuditEntry, 'timestamp'> & {
  /** Microseconds since the epoch. */
  readonly micros: number;
};

/** What to list: newest first, strictly before `before`. Times are ISO 8601 or `infinity`. */
export interface AuditFilter {
  readonly from: string;
  readonly to: string;
  readonly before: { readonly timestamp: string; readonly id: string };
  readonly actions: readonly string[] | null;
  readonly identityId: string | null;
  readonly identityType: string | null;
  readonly pathPrefix: string | null;
  readonly success: boolean | null;
  readonly sourceIp: string | null;
  readonly requestId: string | null;
  readonly limit: number;
}

function toJson(row: ChainedEntry): object {
  return {
    ...row,
    salt: row.salt.toString('hex'),
    prev_hash: row.prev_hash.toString('hex'),
    leaf_hash: row.leaf_hash.toString('hex'),
    hash: row.hash.toString('hex'),
  };
}

/** Stores entries of one chain, in one statement whatever their number. */
export async function insertEntries(db: Queryable, rows: readonly ChainedEntry[]): Promise<void> {
  const [first] = rows;
  if (first !== undefined) await db.query(INSERT, [JSON.stringify(rows.map(toJson)), first.chain_id]);
}

/**
 * Whether an entry was stored. Takes no connection of the pool: all of them may be held by changes that wait for the
 * lane which asks.
 * @throws DatabaseUnavailable also while the transaction that would store it still runs
 */
export async function entryExists(db: Queryable, row: ChainedEntry): Promise<boolean> {
  const [chain] = await db.query<{ free: boolean }>(CHAIN_IS_FREE, [row.chain_id]);
  if (chain?.free !== true) throw new DatabaseUnavailable('the transaction in doubt still runs');
  return (await db.query(FIND_ENTRY, [row.tenant_id, row.timestamp, row.id, row.chain_id, row.seq])).length > 0;
}

/** Makes the partitions of this month and of `months` more. */
export async function ensurePartitions(db: Queryable, months: number): Promise<void> {
  await db.query(ENSURE_PARTITIONS, [months]);
}

export function listEntries(db: Queryable, tenantId: TenantId, filter: AuditFilter): Promise<readonly AuditRow[]> {
  const values: SqlValue[] = [
    tenantId,
    filter.from,
    filter.to,
    filter.before.timestamp,
    filter.before.id,
    filter.actions,
    filter.identityId,
    filter.identityType,
    filter.pathPrefix,
    filter.success,
    filter.sourceIp,
    filter.requestId,
    filter.limit,
  ];
  return db.query<AuditRow>(LIST, values);
}
