import type { TenantId } from '../../contract/names.ts';
import { type Queryable, statement } from '../../postgres/database.ts';

// A secret that somebody is writing is left alone, and comes back as not done. Another process may have stored a later
// time since the rows were looked at: it stays.
const STORE = statement(
  'secrets.store_access_times',
  `WITH due AS (
     SELECT id FROM secrets
     WHERE tenant_id = $1 AND id = ANY ($2::text[]) AND (last_accessed_at IS NULL OR last_accessed_at < $3)
   ), done AS (
     UPDATE secrets s SET last_accessed_at = greatest(s.last_accessed_at, $3::timestamptz)
     FROM (SELECT id FROM secrets WHERE tenant_id = $1 AND id IN (SELECT id FROM due)
           ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) AS free
     WHERE s.tenant_id = $1 AND s.id = free.id
     RETURNING s.id
   )
   SELECT id FROM due EXCEPT SELECT id FROM done`,
);

/** @returns ids of secrets that were locked, and have to be tried again */
export async function storeAccessTimes(
  db: Queryable,
  tenantId: TenantId,
  secretIds: readonly string[],
  at: Date,
): Promise<readonly string[]> {
  const rows = await db.query<{ readonly id: string }>(STORE, [tenantId, secretIds, at]);
  return rows.map(({ id }) => id);
}
