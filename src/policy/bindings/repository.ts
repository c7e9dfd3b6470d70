import type { BindingId, PolicyId, TenantId } from '../../contract/names.ts';
import type { Subject, SubjectKind } from '../../contract/principal.ts';
import { statement, type Transaction } from '../../postgres/database.ts';

export interface BindingRow {
  readonly id: BindingId;
  readonly policy_id: PolicyId;
  readonly kind: SubjectKind;
  readonly subject_issuer: string;
  readonly subject_tenant: TenantId;
  readonly subject_id: string;
  readonly display_name: string;
  readonly expires_at: Date | null;
  readonly expired: boolean;
  readonly created_at: Date;
}

/** A binding that still counts: for whom, and until when. */
export type LiveBindingRow = Pick<
  BindingRow,
  'kind' | 'subject_issuer' | 'subject_tenant' | 'subject_id' | 'expires_at'
>;

const COLUMNS = `id, policy_id, kind, subject_issuer, subject_tenant, subject_id, display_name, expires_at, created_at,
  coalesce(expires_at <= now(), false) AS expired`;

const LIVE = statement(
  'policy.live_bindings',
  `SELECT kind, subject_issuer, subject_tenant, subject_id, expires_at FROM policy_bindings
   WHERE tenant_id = $1 AND policy_id = $2 AND (expires_at IS NULL OR expires_at > now())`,
);

const FIND = statement(
  'policy.find_binding',
  `SELECT ${COLUMNS} FROM policy_bindings WHERE tenant_id = $1 AND policy_id = $2 AND id = $3`,
);

const FIND_OF = statement(
  'policy.find_binding_of',
  `SELECT ${COLUMNS} FROM policy_bindings
   WHERE tenant_id = $1 AND policy_id = $2 AND kind = $3 AND subject_issuer = $4 AND subject_tenant = $5 AND subject_id = $6`,
);

const SAVE = statement(
  'policy.bind',
  `INSERT INTO policy_bindings
     (tenant_id, id, policy_id, kind, subject_issuer, subject_tenant, subject_id, display_name, expires_at, created_by)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   ON CONFLICT ON CONSTRAINT policy_bindings_once DO UPDATE SET expires_at = excluded.expires_at
   RETURNING ${COLUMNS}`,
);

const DELETE = statement(
  'policy.unbind',
  'DELETE FROM policy_bindings WHERE tenant_id = $1 AND policy_id = $2 AND id = $3',
);

const DELETE_ALL = statement(
  'policy.unbind_all',
  'DELETE FROM policy_bindings WHERE tenant_id = $1 AND policy_id = $2',
);

/** Who a policy is bound to at the moment. */
export function liveBindings(
  tx: Transaction,
  tenantId: TenantId,
  policyId: PolicyId,
): Promise<readonly LiveBindingRow[]> {
  return tx.query<LiveBindingRow>(LIVE, [tenantId, policyId]);
}

export async function findBinding(
  tx: Transaction,
  tenantId: TenantId,
  policyId: PolicyId,
  id: BindingId,
): Promise<BindingRow | null> {
  const [row] = await tx.query<BindingRow>(FIND, [tenantId, policyId, id]);
  return row ?? null;
}

/** The one binding of a policy to a subject. */
export async function findBindingOf(
  tx: Transaction,
  tenantId: TenantId,
  policyId: PolicyId,
  subject: Subject,
): Promise<BindingRow | null> {
  const { kind, issuer, tenantId: home, id } = subject;
  const [row] = await tx.query<BindingRow>(FIND_OF, [tenantId, policyId, kind, issuer, home, id]);
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
  const { kind, issuer, tenantId: home, id: subjectId } = subject;
  const values = [tenantId, id, policyId, kind, issuer, home, subjectId, displayName, expiresAt, createdBy];
  const [row] = await tx.query<BindingRow>(SAVE, values);
  if (row === undefined) throw new Error('INSERT ... RETURNING gave no row');
  return row;
}

export async function deleteBinding(
  tx: Transaction,
  tenantId: TenantId,
  policyId: PolicyId,
  id: BindingId,
): Promise<void> {
  await tx.query(DELETE, [tenantId, policyId, id]);
}

/** Also those that have expired. */
export async function deleteBindings(tx: Transaction, tenantId: TenantId, policyId: PolicyId): Promise<void> {
  await tx.query(DELETE_ALL, [tenantId, policyId]);
}
