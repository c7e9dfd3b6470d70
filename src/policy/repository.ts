import type { BindingId, PolicyId, PolicyName, TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { Subject, SubjectKind } from '../contract/principal.ts';
import { type Queryable, statement, type Transaction } from '../postgres/database.ts';
import type { RuleText } from './rules.ts';

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

export interface BindingRow {
  readonly id: BindingId;
  readonly policy_id: PolicyId;
  readonly kind: SubjectKind;
  readonly subject_issuer: string;
  readonly subject_tenant: TenantId;
  readonly subject_id: string;
  readonly display_name: string;
  readonly expires_at: Date | null;
  readonly created_at: Date;
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
}

interface EpochRow {
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
     (SELECT count(*) FROM policy_bindings WHERE tenant_id = $1) AS bindings`,
);

const POLICY_COLUMNS = 'id, name, description, scope, is_active, version, rules, created_at, updated_at';

const INSERT = statement(
  'policy.insert',
  `INSERT INTO policies (tenant_id, id, name, description, scope, is_active, rules)
   VALUES ($1, $2, $3, $4, 'tenant', $5, $6::jsonb) RETURNING ${POLICY_COLUMNS}`,
);

const KEEP_VERSION = statement(
  'policy.keep_version',
  `INSERT INTO policy_versions (tenant_id, policy_id, version, name, description, is_active, rules, changed_by)
   SELECT tenant_id, id, version, name, description, is_active, rules, $3 FROM policies WHERE tenant_id = $1 AND id = $2`,
);

const READ = statement(
  'policy.read',
  `SELECT p.id, p.name, p.description, p.scope, p.is_active, p.version, p.rules, p.created_at, p.updated_at,
     t.policy_epoch, t.subject_epoch
   FROM policies p JOIN tenants t ON t.tenant_id = p.tenant_id
   WHERE p.tenant_id = $1 AND p.id = $2`,
);

const FIND_BINDING = statement(
  'policy.find_binding',
  `SELECT id, expires_at FROM policy_bindings
   WHERE tenant_id = $1 AND policy_id = $2 AND kind = $3 AND subject_issuer = $4 AND subject_tenant = $5 AND subject_id = $6`,
);

const BIND = statement(
  'policy.bind',
  `INSERT INTO policy_bindings
     (tenant_id, id, policy_id, kind, subject_issuer, subject_tenant, subject_id, display_name, expires_at, created_by)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   ON CONFLICT ON CONSTRAINT policy_bindings_once DO UPDATE SET expires_at = excluded.expires_at
   RETURNING id, policy_id, kind, subject_issuer, subject_tenant, subject_id, display_name, expires_at, created_at`,
);

const toEpochs = (row: EpochRow): Epochs => ({ policy: row.policy_epoch, subject: row.subject_epoch });

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
  return row ?? { policies: 0, rules: 0, bindings: 0 };
}

/** Stores a new policy and the first entry of its history. @throws ConstraintViolation `policies_name_taken` */
export async function insertPolicy(
  tx: Transaction,
  tenantId: TenantId,
  policy: Pick<PolicyRow, 'id' | 'name' | 'description' | 'is_active'> & { readonly rules: readonly RuleText[] },
  changedBy: string,
): Promise<PolicyRow> {
  const { id, name, description, is_active, rules } = policy;
  const values = [tenantId, id, name, description, is_active, JSON.stringify(rules)];
  const [row] = await tx.query<PolicyRow>(INSERT, values);
  if (row === undefined) throw new Error('INSERT ... RETURNING gave no row');
  await tx.query(KEEP_VERSION, [tenantId, id, changedBy]);
  return row;
}

export async function findPolicy(
  db: Queryable,
  tenantId: TenantId,
  id: PolicyId,
): Promise<{ readonly policy: PolicyRow; readonly epochs: Epochs } | null> {
  const [row] = await db.query<PolicyRow & EpochRow>(READ, [tenantId, id]);
  if (row === undefined) return null;
  const { policy_epoch: _, subject_epoch: __, ...policy } = row;
  return { policy, epochs: toEpochs(row) };
}

export async function findBinding(
  tx: Transaction,
  tenantId: TenantId,
  policyId: PolicyId,
  subject: Subject,
): Promise<Pick<BindingRow, 'id' | 'expires_at'> | null> {
  const { kind, issuer, tenantId: home, id } = subject;
  const [row] = await tx.query<Pick<BindingRow, 'id' | 'expires_at'>>(FIND_BINDING, [
    tenantId,
    policyId,
    kind,
    issuer,
    home,
    id,
  ]);
  return row ?? null;
}

/** Binds, or gives the subject's binding that is there a new end. */
export async function saveBinding(
  tx: Transaction,
  tenantId: TenantId,
  binding: {
    readonly id: BindingId;
    readonly policyId: PolicyId;
    readonly subject: Subject;
    readonly displayName: string;
    readonly expiresAt: Date | null;
    readonly createdBy: string;
  },
): Promise<BindingRow> {
  const { id, policyId, subject, displayName, expiresAt, createdBy } = binding;
  const [row] = await tx.query<BindingRow>(BIND, [
    tenantId,
    id,
    policyId,
    subject.kind,
    subject.issuer,
    subject.tenantId,
    subject.id,
    displayName,
    expiresAt,
    createdBy,
  ]);
  if (row === undefined) throw new Error('INSERT ... RETURNING gave no row');
  return row;
}
