import type { SecretPath, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { type Queryable, type SqlValue, statement } from '../../postgres/database.ts';
import { type CommonColumns, type EpochColumns, epochsOf } from '../repository.ts';
import type { Segment } from './segments.ts';
import type { ListedSecret, ListFilter, ListRequest } from './types.ts';

// What every statement asks of a row, beside its place in the index. Expressions are matched in the order of bytes.
const FILTER = `($7::bigint IS NULL AND s.deleted_at IS NULL OR s.deleted_at > now() - $7::bigint * interval '1 millisecond')
     AND ($8::text IS NULL OR s.secret_type = $8)
     AND ($9::text IS NULL OR s.owner = $9)
     AND ($10::text IS NULL OR $10 = ANY (s.tags))
     AND ($11::bigint IS NULL OR s.expires_at <= now() + $11 * interval '1 millisecond')
     AND ($12::text IS NULL OR concat_ws(chr(10), s.path, s.description, array_to_string(s.tags, chr(10))) ~ $12)`;

// Every stretch of the index gives at most as many rows as are wanted in all, so that none is read further than needed.
const ROWS = statement(
  'secrets.list_rows',
  `SELECT t.policy_epoch, t.subject_epoch, c.*
   FROM tenants t LEFT JOIN LATERAL (
     SELECT f.*
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r(lower_end, upper_end, allow, deny)
     CROSS JOIN LATERAL (
       SELECT s.path, s.secret_type, s.current_version, s.description, s.tags, s.owner, s.custom, s.created_at,
         s.updated_at, s.expires_at, s.last_accessed_at, s.deleted_at,
         s.deleted_at + $7::bigint * interval '1 millisecond' AS recoverable_until
       FROM secrets s
       WHERE s.tenant_id = $1 AND s.path >= r.lower_end AND s.path < r.upper_end
         AND (r.allow = '' OR s.path ~ r.allow) AND (r.deny = '' OR s.path !~ r.deny)
         AND ${FILTER}
       ORDER BY s.path
       LIMIT $6
     ) f
     ORDER BY f.path
     LIMIT $6
   ) c ON true
   WHERE t.tenant_id = $1
   ORDER BY c.path`,
);

// The paths alone, in one text: what has to be judged here first may be many times what is shown.
const PATHS = statement(
  'secrets.list_paths',
  `SELECT t.policy_epoch, t.subject_epoch, c.paths
   FROM tenants t LEFT JOIN LATERAL (
     SELECT string_agg(f.path, chr(10) ORDER BY f.path) AS paths
     FROM (
       SELECT p.path
       FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r(lower_end, upper_end, allow, deny)
       CROSS JOIN LATERAL (
         SELECT s.path
         FROM secrets s
         WHERE s.tenant_id = $1 AND s.path >= r.lower_end AND s.path < r.upper_end
           AND (r.allow = '' OR s.path ~ r.allow) AND (r.deny = '' OR s.path !~ r.deny)
           AND ${FILTER}
         ORDER BY s.path
         LIMIT $6
       ) p
       ORDER BY p.path
       LIMIT $6
     ) f
   ) c ON true
   WHERE t.tenant_id = $1`,
);

// A loose index scan: each step takes the first row behind the place where it stands and goes on behind it or, where
// that row lies in a folder below the prefix, behind the whole folder. A stretch that holds no more is a step, too.
const FOLDERS = statement(
  'secrets.list_folders',
  `SELECT t.policy_epoch, t.subject_epoch, w.path, c.secret_type, c.current_version, c.description, c.tags, c.owner,
     c.custom, c.created_at, c.updated_at, c.expires_at, c.last_accessed_at, c.deleted_at,
     c.deleted_at + $7::bigint * interval '1 millisecond' AS recoverable_until
   FROM tenants t LEFT JOIN (
     WITH RECURSIVE walk(stretch, place, path, rows) AS (
       SELECT 1, ($2::text[])[1] COLLATE "C", NULL::text COLLATE "C", 0
       UNION ALL
       SELECT
         CASE WHEN f.path IS NULL THEN w.stretch + 1 ELSE w.stretch END,
         CASE WHEN f.path IS NULL THEN greatest(w.place, ($2::text[])[w.stretch + 1] COLLATE "C")
              WHEN f.slash > 0 THEN left(f.path, $13 + f.slash) || '{'
              ELSE f.path || '-' END,
         f.path,
         w.rows + CASE WHEN f.path IS NULL THEN 0 ELSE 1 END
       FROM walk w LEFT JOIN LATERAL (
         SELECT s.path, strpos(substr(s.path, $13::integer + 1), '/') AS slash
         FROM secrets s
         WHERE s.tenant_id = $1 AND s.path >= w.place AND s.path < ($3::text[])[w.stretch]
           AND (($4::text[])[w.stretch] = '' OR s.path ~ ($4::text[])[w.stretch])
           AND (($5::text[])[w.stretch] = '' OR s.path !~ ($5::text[])[w.stretch])
           AND ${FILTER}
         ORDER BY s.path
         LIMIT 1
       ) f ON true
       WHERE w.stretch <= cardinality($2::text[]) AND w.rows < $6
     )
     SELECT walk.path, CASE WHEN strpos(substr(walk.path, $13::integer + 1), '/') = 0 THEN walk.path END AS shown
     FROM walk WHERE walk.path IS NOT NULL
   ) w ON true
   LEFT JOIN secrets c ON c.tenant_id = t.tenant_id AND c.path = w.shown
   WHERE t.tenant_id = $1
   ORDER BY w.path`,
);

interface SecretColumns extends CommonColumns {
  readonly current_version: number;
  readonly deleted_at: Date | null;
  readonly recoverable_until: Date | null;
}

type Row = EpochColumns & { readonly path: SecretPath | null } & (SecretColumns | { readonly secret_type: null });

/** A row that may be shown; without the secret where it only stands for its folder. */
export interface FoundRow {
  readonly path: SecretPath;
  readonly secret: ListedSecret | null;
}

export interface Found {
  readonly epochs: Epochs;
  /** In the order of their paths. */
  readonly rows: readonly FoundRow[];
}

export interface FoundPaths {
  readonly epochs: Epochs;
  readonly paths: readonly SecretPath[];
}

/** What to look through, and how much to give at most. */
export interface Batch {
  /** Apart from each other, in order. */
  readonly segments: readonly Segment[];
  readonly rows: number;
  /** Of the secrets in a folder below the prefix, `folders` gives only the first one. */
  readonly view: 'secrets' | 'folders' | 'paths';
}

function toRow(row: Row): readonly FoundRow[] {
  const { path } = row;
  if (path === null) return [];
  return [{ path, secret: row.secret_type === null ? null : toSecret(path, row) }];
}

function toSecret(path: SecretPath, row: SecretColumns): ListedSecret {
  const { description, tags, owner, custom } = row;
  return {
    path,
    secretType: row.secret_type,
    currentVersion: row.current_version,
    metadata: { description, tags, owner, custom },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    lastAccessedAt: row.last_accessed_at,
    deletedAt: row.deleted_at,
    recoverableUntil: row.recoverable_until,
  };
}

function valuesOf(tenantId: TenantId, { segments, rows }: Batch, filter: ListFilter): SqlValue[] {
  return [
    tenantId,
    segments.map(({ from }) => from),
    segments.map(({ to }) => to),
    segments.map(({ allow }) => allow),
    segments.map(({ deny }) => deny),
    rows,
    filter.deletedWithinMs,
    filter.secretType,
    filter.owner,
    filter.tag,
    filter.expiringWithinMs,
    filter.search,
  ];
}

/** A tenant is never removed while requests of it are under way; without its row nothing is given. */
const NO_EPOCHS: EpochColumns = { policy_epoch: 0, subject_epoch: 0 };

/** Secrets of a tenant in some stretches of the index, and the epochs as the same snapshot has them. */
export async function findSecrets(
  db: Queryable,
  tenantId: TenantId,
  batch: Batch,
  { prefix, filter }: Pick<ListRequest, 'prefix' | 'filter'>,
): Promise<Found> {
  const values = valuesOf(tenantId, batch, filter);
  const rows =
    batch.view === 'folders'
      ? await db.query<Row>(FOLDERS, [...values, prefix.length])
      : await db.query<Row>(ROWS, values);
  return { epochs: epochsOf(rows[0] ?? NO_EPOCHS), rows: rows.flatMap(toRow) };
}

/** As {@link findSecrets}, the paths only. */
export async function findPaths(
  db: Queryable,
  tenantId: TenantId,
  batch: Batch,
  { filter }: Pick<ListRequest, 'filter'>,
): Promise<FoundPaths> {
  const [row] = await db.query<EpochColumns & { readonly paths: string | null }>(
    PATHS,
    valuesOf(tenantId, batch, filter),
  );
  const paths = row?.paths?.split('\n') ?? [];
  return { epochs: epochsOf(row ?? NO_EPOCHS), paths: paths as SecretPath[] };
}
