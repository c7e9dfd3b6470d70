import { ApiError } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Permission, RuleKind } from '../../contract/permissions.ts';
import type { Principal, Subject, SubjectKind, Tenant } from '../../contract/principal.ts';
import type { Database } from '../../postgres/database.ts';
import { subjectsOf } from '../access.ts';
import type { Circumstances } from '../conditions/findings.ts';
import { type Decision, type Policy, targetOf } from '../evaluate.ts';
import type { TemplateValues } from '../glob.ts';
import { type RuleWarning, readStoredRule, warningsOf } from '../rules.ts';
import { templateValues, tenantKey } from '../templates.ts';
import type { Asking, IdentityDirectory } from '../types.ts';
import { explain, type RuleExplanation } from './explain.ts';
import { type BoundRow, boundTo } from './repository.ts';

/** Who is asked about, and what. */
export interface Tested {
  /** Null: who asks. */
  readonly identity: { readonly kind: SubjectKind; readonly id: string } | null;
  readonly kind: RuleKind;
  readonly path: SecretPath;
  readonly permission: Permission;
  readonly circumstances: Circumstances;
  readonly groups: readonly string[];
}

export interface EvaluatedPolicy {
  readonly policy: Pick<BoundRow, 'policy_id' | 'name'>;
  /** Of several the oldest one that counts. */
  readonly binding: Pick<BoundRow, 'binding_id' | 'kind' | 'display_name' | 'expires_ms'>;
  readonly rules: readonly RuleExplanation[];
  readonly warnings: readonly RuleWarning[];
}

export interface TestResult {
  readonly decision: Decision;
  readonly evaluated: readonly EvaluatedPolicy[];
}

export interface Directory extends IdentityDirectory {
  /** What `{{identity.key}}` stands for when this subject asks. */
  keyOf(subject: Subject): string;
}

/** Answers what a request would be told, by the policies as they are in the database at this moment. */
export type PolicyTest = (asking: Asking, tested: Tested) => Promise<TestResult>;

export function createPolicyTest(db: Database, identities: Directory): PolicyTest {
  return async (asking, tested) => {
    const { principal, tenant } = asking;
    const { subject, values } = await whoIs(tested.identity, principal, tenant, identities);
    const found = await boundTo(db, tenant.tenantId, subjectsOf({ subject, groups: tested.groups }, tenant));
    if (found === null) throw new ApiError('tenant_access_denied');
    await asking.standing.confirm(found.epochs);
    const rows = oneAPolicy(found.bound.filter((row) => counts(row, tested.circumstances.nowMs)));
    const policies = rows.map(readPolicy);
    const target = targetOf(tenant.tenantId, tested.kind, tested.path, tested.permission);
    const { decision, rules } = explain(policies, target, values, tested.circumstances);
    const evaluated = rows.map((row, at) => ({
      policy: row,
      binding: row,
      rules: rules[at] ?? [],
      warnings: warningsOf(policies[at]?.rules ?? []),
    }));
    return { decision, evaluated };
  };
}

async function whoIs(
  identity: Tested['identity'],
  principal: Principal,
  tenant: Tenant,
  identities: Directory,
): Promise<{ readonly subject: Subject; readonly values: TemplateValues }> {
  const ofTenant = tenantKey(tenant.tenantId);
  if (identity === null) return { subject: principal.subject, values: templateValues(principal, ofTenant) };
  const { subject } = await identities.resolve(tenant, identity.kind, identity.id);
  const values = templateValues({ key: identities.keyOf(subject) }, ofTenant);
  // A group asks for nothing itself: which of its members would, nobody said.
  return { subject, values: subject.kind === 'group' ? { ...values, 'identity.key': null } : values };
}

function counts({ expires_ms }: BoundRow, nowMs: number): boolean {
  return expires_ms === null || expires_ms > nowMs;
}

/** Rows come in the order of policies and bindings. */
function oneAPolicy(rows: readonly BoundRow[]): readonly BoundRow[] {
  return rows.filter((row, at) => rows[at - 1]?.policy_id !== row.policy_id);
}

function readPolicy({ policy_id: id, version, rules }: BoundRow): Policy {
  return { id, version, rules: rules.map(readStoredRule) };
}
