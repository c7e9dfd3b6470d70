import type { PolicyId, PolicyName, TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import { type Queryable, statement, type Transaction } from '../postgres/database.ts';
import type { BindingRow } from './bindings/repository.ts';
import type { PolicyChange } from './types.ts';

/** A policy as it is stored. `rules` may have been written by another release: read it with `readStoredRule`. */
export interface PolicyRow {
  readonly id: PolicyId;
  readonly name: PolicyName;
  readonly description: string;
  readonly scope: 'tenant' | 'partner';
  readonly is_active: boolean;
  readonly version: number;
  readonly rules: readonly unknown[];
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** What an author decides about a policy. */
export type PolicyState = Pick<PolicyRow, 'name' | 'description' | 'is_active' | 'rules'>;

/** What made a version. */
export interface Making {
  readonly change: PolicyChange;
  readonly changedBy: string;
  /** The version that a rollback goes back to. */
  readonly fromVersion?: number;
}

/** What decides in a tenant, as of one moment. */
export interface TenantPolicies {
  readonly epochs: Epochs;
  readonly policies: readonly Pick<PolicyRow, 'id' | 'version' | 'rules'>[];
  readonly bindings: readonly (Pick<
    BindingRow,
    'kind' | 'policy_id' | 'subject_id' | 'subject_issuer' | 'subject_tenant'
  > & {
    /** Milliseconds since the epoch. */
    readonly expires_ms: number | null;
  })[];
}

export interface TenantSize {
  readonly policies: number;
  readonly rules: number;
  readonly bindings: number;
  /** Address ranges and time windows in them. */
  readonly ranges: number;
}

export interface EpochRow {
  readonly policy_epoch: number;
  readonly subject_epoch: number;
}

const EPOCHS = statement('policy.epochs', 'SELECT policy_epoch, subject_epoch FROM tenants WHERE tenant_id = $1');

// One statement, so one snapshot: epoch, policies and bindings fit together whatever is being changed meanwhile.
const LOAD = statement(
  'policy.load',
  `SELECT t.policy_epoch, t.subject_epoch,
     (SELECT coalesce(json_agg(json_build_object('id', p.id, 'version', p.version, 'rules', p.rules)), '[]')
        FROM policies p WHERE p.tenant_id = t.tenant_id AND p.is_active AND p.scope = 'tenant') AS policies,
     (SELECT coalesce(json_agg(json_build_object(
          'policy_id', b.policy_id, 'kind', b.kind, 'subject_issuer', b.subject_issuer,
          'subject_tenant', b.subject_tenant, 'subject_id', b.subject_id,
          'expires_ms', floor(extract(epoch FROM b.expires_at) * 1000))), '[]')
        FROM policy_bindings b
        WHERE b.tenant_id = t.tenant_id AND (b.expires_at IS NULL OR b.expires_at > now())) AS bindings
   FROM tenants t WHERE t.tenant_id = $1`,
);

const RAISE_EPOCH = statement(
  'policy.raise_epoch',
  'UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1 RETURNING policy_epoch, subject_epoch',
);

const SIZE = statement(
  'policy.size',
  `SELECT (SELECT count(*) FROM policies WHERE tenant_id = $1) AS policies,
     (SELECT coalesce(sum(jsonb_array_length(rules)), 0)::bigint FROM policies WHERE tenant_id = $1) AS rules,
     (SELECT coalesce(sum(jsonb_array_length(jsonb_path_query_array(rules, '$[*].conditions.ip_ranges[*]'))
         + jsonb_array_length(jsonb_path_query_array(rules, '$[*].conditions.time_windows[*]'))), 0)::bigint
        FROM policies WHERE tenant_id = $1) AS ranges,
     (SELECT count(*) FROM policy_bindings WHERE tenant_id = $1) AS bindings`,
);

const POLICY_COLUMNS = 'id, name, description, scope, is_active, version, rules, created_at, updated_at';

const INSERT = statement(
  'policy.insert',
  `INSERT INTO policies (tenant_id, id, name, description, scope, is_active, rules)
   VALUES ($1, $2, $3, $4, 'tenant', $5, $6::jsonb) RETURNING ${POLICY_COLUMNS}`,
);

const UPDATE = statement(
  'policy.update',
  `UPDATE policies SET name = $3, description = $4, is_active = $5, rules = $6::jsonb, version = version + 1, updated_at = now()
   WHERE tenant_id = $1 AND id = $2 RETURNING ${POLICY_COLUMNS}`,
);

const DELETE = statement('policy.delete', 'DELETE FROM policies WHERE tenant_id = $1 AND id = $2');

// A deletion makes a version of its own, which shows what was deleted.
const KEEP_VERSION = statement(
  'policy.keep_version',
  `INSERT INTO policy_versions
     (tenant_id, policy_id, version, name, description, is_active, rules, changed_by, change, from_version)
   SELECT tenant_id, id, version + CASE WHEN $4::text = 'deleted' THEN 1 ELSE 0 END, name, description, is_active, rules,
     $3, $4, $5::integer
   FROM policies WHERE tenant_id = $1 AND id = $2`,
);

const FIND_VERSION = statement(
  'policy.find_version',
  `SELECT name, description, is_active, rules FROM policy_versions
   WHERE tenant_id = $1 AND policy_id = $2 AND version = $3`,
);

// With the epochs also where there is no such policy: whoever may not know any more is not told that either.
const READ = statement(
  'policy.read',
  `SELECT t.policy_epoch, t.subject_epoch, p.id IS NOT NULL AS found,
     p.id, p.name, p.description, p.scope, p.is_active, p.version, p.rules, p.created_at, p.updated_at
   FROM tenants t LEFT JOIN policies p ON p.tenant_id = t.tenant_id AND p.id = $2
   WHERE t.tenant_id = $1`,
);

export const toEpochs = (row: EpochRow): Epochs => ({ policy: row.policy_epoch, subject: row.subject_epoch });

/** The tenant's numbers; null: there is no such tenant. */
export async function readEpochs(db: Queryable, tenantId: TenantId): Promise<Epochs | null> {
  const [row] = await db.query<EpochRow>(EPOCHS, [tenantId]);
  return row === undefined ? null : toEpochs(row);
}

/** Active policies and bindings that have not expired; null: there is no such tenant. */
export async function loadPolicies(db: Queryable, tenantId: TenantId): Promise<TenantPolicies | null> {
  const [row] = await db.query<EpochRow & Omit<TenantPolicies, 'epochs'>>(LOAD, [tenantId]);
  return row === undefined ? null : { epochs: toEpochs(row), policies: row.policies, bindings: row.bindings };
}

/**
 * Counts a change. The tenant's row stays locked until the transaction ends, so changes of one tenant's policies happen
 * one after the other: what is read after this call is what the change is made against.
 */
export async function raiseEpoch(tx: Transaction, tenantId: TenantId): Promise<Epochs | null> {
  const [row] = await tx.query<EpochRow>(RAISE_EPOCH, [tenantId]);
  return row === undefined ? null : toEpochs(row);
}

export async function tenantSize(tx: Transaction, tenantId: TenantId): Promise<TenantSize> {
  const [row] = await tx.query<TenantSize>(SIZE, [tenantId]);
  return row ?? { policies: 0, rules: 0, bindings: 0, ranges: 0 };
}

const stateValues = ({ name, description, is_active, rules }: PolicyState) =>
  [name, description, is_active, JSON.stringify(rules)] as const;

/** Stores a new policy and the first entry of its history. @throws ConstraintViolation `policies_name_taken` */
export async function insertPolicy(
  tx: Transaction,
  tenantId: TenantId,
  policy: PolicyState & Pick<PolicyRow, 'id'>,
  changedBy: string,
): Promise<PolicyRow> {
  const inserted = tx.query<PolicyRow>(INSERT, [tenantId, policy.id, ...stateValues(policy)]);
  const [[row]] = await Promise.all([inserted, keepVersion(tx, tenantId, policy.id, { change: 'created', changedBy })]);
  return row ?? missing();
}

/** Gives a policy another state, and its history an entry. @throws ConstraintViolation `policies_name_taken` */
export async function updatePolicy(
  tx: Transaction,
  tenantId: TenantId,
  id: PolicyId,
  state: PolicyState,
  making: Making,
): Promise<PolicyRow> {
  const updated = tx.query<PolicyRow>(UPDATE, [tenantId, id, ...stateValues(state)]);
  const [[row]] = await Promise.all([updated, keepVersion(tx, tenantId, id, making)]);
  return row ?? missing();
}

/** Deletes a policy that has no bindings. Its history stays and gets its last entry. */
export async function deletePolicy(
  tx: Transaction,
  tenantId: TenantId,
  id: PolicyId,
  changedBy: string,
): Promise<void> {
  await Promise.all([
    keepVersion(tx, tenantId, id, { change: 'deleted', changedBy }),
    tx.query(DELETE, [tenantId, id]),
  ]);
}

function keepVersion(tx: Transaction, tenantId: TenantId, id: PolicyId, making: Making): Promise<unknown> {
  const { change, changedBy, fromVersion = null } = making;
  return tx.query(KEEP_VERSION, [tenantId, id, changedBy, change, fromVersion]);
}

function missing(): never {
  throw new Error('RETURNING gave no row');
}

/** @returns the tenant's epochs beside the policy; without epochs: there is no such tenant */
export async function findPolicy(
  db: Queryable,
  tenantId: TenantId,
  id: PolicyId,
): Promise<{ readonly policy: PolicyRow | null; readonly epochs: Epochs } | null> {
  const [row] = await db.query<PolicyRow & EpochRow & { readonly found: boolean }>(READ, [tenantId, id]);
  if (row === undefined) return null;
  const { policy_epoch: _, subject_epoch: __, found, ...policy } = row;
  return { policy: found ? policy : null, epochs: toEpochs(row) };
}

/** A state that a policy has had. */
export async function findVersion(
  db: Queryable,
  tenantId: TenantId,
  id: PolicyId,
  version: number,
): Promise<PolicyState | null> {
  const [row] = await db.query<PolicyState>(FIND_VERSION, [tenantId, id, version]);
  return row ?? null;
}
