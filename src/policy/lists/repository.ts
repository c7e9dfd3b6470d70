import type { BindingId, PolicyId, PolicyName, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { type Database, statement } from '../../postgres/database.ts';
import type { BindingRow } from '../bindings/repository.ts';
import { type EpochRow, toEpochs } from '../repository.ts';
import type { PolicyChange, PolicyFilter } from '../types.ts';

export interface SummaryRow {
  readonly id: PolicyId;
  readonly name: PolicyName;
  readonly is_active: boolean;
  readonly rule_count: number;
  readonly binding_count: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface VersionRow {
  readonly version: number;
  readonly change: PolicyChange;
  readonly from_version: number | null;
  readonly name: PolicyName;
  readonly description: string;
  readonly is_active: boolean;
  readonly rules: readonly unknown[];
  readonly changed_by: string;
  readonly changed_at: Date;
}

/** Rows, with the epochs of the tenant at that moment. */
export interface Listed<Row> {
  readonly epochs: Epochs;
  readonly rows: readonly Row[];
}

// Each list stands beside the tenant's row, so that the epochs come also where the list is empty. Only ASCII letters are
// compared in any case, whatever the locale of the database.
const POLICIES = statement(
  'policy.list',
  `SELECT t.policy_epoch, t.subject_epoch, l.*
   FROM tenants t LEFT JOIN LATERAL (
     SELECT p.id, p.name, p.is_active, jsonb_array_length(p.rules) AS rule_count,
       (SELECT count(*) FROM policy_bindings b WHERE b.tenant_id = $1 AND b.policy_id = p.id
          AND (b.expires_at IS NULL OR b.expires_at > now())) AS binding_count, p.created_at, p.updated_at
     FROM policies p
     WHERE p.tenant_id = $1 AND p.id > $2 AND p.is_active = coalesce($3::boolean, p.is_active)
       AND ($4::text IS NULL OR strpos(p.name, lower($4 COLLATE "C")) > 0
         OR strpos(lower(p.description COLLATE "C"), lower($4 COLLATE "C")) > 0)
     ORDER BY p.id LIMIT $5) l ON true
   WHERE t.tenant_id = $1 ORDER BY l.id`,
);

const BINDINGS = statement(
  'policy.list_bindings',
  `SELECT t.policy_epoch, t.subject_epoch, p.id IS NOT NULL AS found, l.*
   FROM tenants t LEFT JOIN policies p ON p.tenant_id = t.tenant_id AND p.id = $2
   LEFT JOIN LATERAL (
     SELECT b.id, b.policy_id, b.kind, b.subject_issuer, b.subject_tenant, b.subject_id, b.display_name, b.expires_at,
       b.created_at, coalesce(b.expires_at <= now(), false) AS expired
     FROM policy_bindings b WHERE b.tenant_id = $1 AND b.policy_id = $2 AND b.id > $3
     ORDER BY b.id LIMIT $4) l ON true
   WHERE t.tenant_id = $1 ORDER BY l.id`,
);

// A thousand versions of a thousand rules would not fit into memory: a page ends where its rules become too many bytes.
const HISTORY = statement(
  'policy.history',
  `SELECT t.policy_epoch, t.subject_epoch, l.*
   FROM tenants t LEFT JOIN LATERAL (
     SELECT s.version, s.change, s.from_version, s.name, s.description, s.is_active, s.rules, s.changed_by, s.changed_at
     FROM (
       SELECT v.*, sum(v.rules_size) OVER (ORDER BY v.version DESC) - v.rules_size AS bytes_before
       FROM policy_versions v WHERE v.tenant_id = $1 AND v.policy_id = $2 AND v.version < $3
       ORDER BY v.version DESC LIMIT $4) s
     WHERE s.bytes_before < $5) l ON true
   WHERE t.tenant_id = $1 ORDER BY l.version DESC`,
);

type Beside<Row> = EpochRow & (Row | { readonly [Column in keyof Row]: null });

function listed<Row extends object>(rows: readonly Beside<Row>[], key: keyof Row): Listed<Row> | null {
  const [first] = rows;
  if (first === undefined) return null;
  const there = rows.filter((row): row is EpochRow & Row => row[key] !== null);
  return { epochs: toEpochs(first), rows: there };
}

/** Policies after an id, in the order of their ids, which is that of their creation; null: there is no such tenant. */
export async function listPolicies(
  db: Database,
  tenantId: TenantId,
  { text, isActive }: PolicyFilter,
  after: string,
  limit: number,
): Promise<Listed<SummaryRow> | null> {
  const values = [tenantId, after, isActive, text, limit];
  return listed(await db.query<Beside<SummaryRow>>(POLICIES, values), 'id');
}

/** Bindings of a policy after an id, in the order of their creation, expired ones too. */
export async function listBindings(
  db: Database,
  tenantId: TenantId,
  policyId: PolicyId,
  after: BindingId | '',
  limit: number,
): Promise<(Listed<BindingRow> & { readonly found: boolean }) | null> {
  const rows = await db.query<Beside<BindingRow> & { found: boolean }>(BINDINGS, [tenantId, policyId, after, limit]);
  const found = listed<BindingRow>(rows, 'id');
  return found === null ? null : { ...found, found: rows[0]?.found === true };
}

/** Versions of a policy before a number, newest first, until they are `limit` or their rules `maxBytes`. */
export async function listVersions(
  db: Database,
  tenantId: TenantId,
  policyId: PolicyId,
  before: number,
  limit: number,
  maxBytes: number,
): Promise<Listed<VersionRow> | null> {
  const values = [tenantId, policyId, before, limit, maxBytes];
  return listed(await db.query<Beside<VersionRow>>(HISTORY, values), 'version');
}
