import type { BindingId, PolicyId, PolicyName, TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import type { Subject, SubjectKind } from '../../contract/principal.ts';
import { type Queryable, statement } from '../../postgres/database.ts';
import { type EpochRow, toEpochs } from '../repository.ts';

/** An active policy and the binding by which somebody has it. */
export interface BoundRow {
  readonly policy_id: PolicyId;
  readonly version: number;
  readonly name: PolicyName;
  /** Read them with `readStoredRule`. */
  readonly rules: readonly unknown[];
  readonly binding_id: BindingId;
  readonly kind: SubjectKind;
  readonly display_name: string;
  /** Milliseconds since the epoch. */
  readonly expires_ms: number | null;
}

// Bindings that have expired too: what is asked about may be a moment before.
const BOUND = statement(
  'policy.bound_to',
  `SELECT t.policy_epoch, t.subject_epoch,
     (SELECT coalesce(json_agg(json_build_object(
          'policy_id', p.id, 'version', p.version, 'name', p.name, 'rules', p.rules,
          'binding_id', b.id, 'kind', b.kind, 'display_name', b.display_name,
          'expires_ms', floor(extract(epoch FROM b.expires_at) * 1000)) ORDER BY p.id, b.id), '[]')
        FROM policy_bindings b
          JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS s (kind, issuer, home, id)
            ON b.kind = s.kind AND b.subject_issuer = s.issuer AND b.subject_tenant = s.home AND b.subject_id = s.id
          JOIN policies p ON p.tenant_id = b.tenant_id AND p.id = b.policy_id AND p.is_active AND p.scope = 'tenant'
        WHERE b.tenant_id = t.tenant_id) AS bound
   FROM tenants t WHERE t.tenant_id = $1`,
);

/** The active policies bound to some subjects, in the order of their ids; null: there is no such tenant. */
export async function boundTo(
  db: Queryable,
  tenantId: TenantId,
  subjects: readonly Subject[],
): Promise<{ readonly epochs: Epochs; readonly bound: readonly BoundRow[] } | null> {
  const [row] = await db.query<EpochRow & { readonly bound: readonly BoundRow[] }>(BOUND, [
    tenantId,
    subjects.map(({ kind }) => kind),
    subjects.map(({ issuer }) => issuer),
    subjects.map(({ tenantId: home }) => home),
    subjects.map(({ id }) => id),
  ]);
  return row === undefined ? null : { epochs: toEpochs(row), bound: row.bound };
}
