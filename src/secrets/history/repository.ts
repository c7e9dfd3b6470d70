/** The versions of a secret, without their values. */
import type { SecretPath, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { type Queryable, statement } from '../../postgres/database.ts';
import { type EpochColumns, epochsOf } from '../repository.ts';
import type { SecretOfVersion, VersionRow } from './version-state.ts';

const HISTORY = statement(
  'secrets.history',
  `SELECT t.policy_epoch, t.subject_epoch, s.id, s.current_version, s.expires_at, s.deleted_at, s.expired_through,
     coalesce(s.expires_at <= now(), false) AS expired,
     v.version, v.created_at, v.created_by, v.created_from, v.unreadable_at, v.destroyed_at
   FROM tenants t
   LEFT JOIN secrets s ON s.tenant_id = t.tenant_id AND s.path = $2
     AND (s.deleted_at IS NULL OR s.deleted_at > now() - $3::bigint * interval '1 millisecond')
   LEFT JOIN LATERAL (
     SELECT * FROM secret_versions v
     WHERE v.tenant_id = s.tenant_id AND v.secret_id = s.id AND v.version < $4
     ORDER BY v.version DESC LIMIT $5) AS v ON true
   WHERE t.tenant_id = $1
   ORDER BY v.version DESC`,
);

interface HistoryRow extends EpochColumns {
  readonly id: string | null;
  readonly current_version: number;
  readonly expires_at: Date | null;
  readonly deleted_at: Date | null;
  readonly expired_through: number;
  readonly expired: boolean;
  readonly version: number | null;
  readonly created_at: Date;
  readonly created_by: string;
  readonly created_from: number | null;
  readonly unreadable_at: Date | null;
  readonly destroyed_at: Date | null;
}

export interface History {
  readonly epochs: Epochs;
  /** Null: there is none, or its retention is over. */
  readonly secret: (SecretOfVersion & { readonly id: string }) | null;
  /** Newest first. */
  readonly versions: readonly VersionRow[];
}

/** The newest versions below one. One statement, whether there is something or not. */
export async function readHistory(
  db: Queryable,
  tenantId: TenantId,
  path: SecretPath,
  page: { readonly below: number; readonly limit: number },
  retentionMs: number,
): Promise<History> {
  const rows = await db.query<HistoryRow>(HISTORY, [tenantId, path, retentionMs, page.below, page.limit]);
  const [row] = rows;
  if (row === undefined) return { epochs: { policy: 0, subject: 0 }, secret: null, versions: [] };
  if (row.id === null) return { epochs: epochsOf(row), secret: null, versions: [] };
  return {
    epochs: epochsOf(row),
    secret: {
      id: row.id,
      currentVersion: row.current_version,
      expiresAt: row.expires_at,
      deletedAt: row.deleted_at,
      expired: row.expired,
      expiredThrough: row.expired_through,
    },
    versions: rows.flatMap(({ version, ...columns }) =>
      version === null
        ? []
        : [
            {
              version,
              createdAt: columns.created_at,
              createdBy: columns.created_by,
              createdFrom: columns.created_from,
              unreadableAt: columns.unreadable_at,
              destroyedAt: columns.destroyed_at,
            },
          ],
    ),
  };
}
