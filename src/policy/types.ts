import type { AuditDraft } from '../contract/audit.ts';
import type { BindingId, PolicyId, PolicyName } from '../contract/names.ts';
import type { Principal, Role, Subject, Tenant } from '../contract/principal.ts';
import type { Standing } from '../contract/route.ts';
import type { RuleText, RuleWarning } from './rules.ts';

/** A request's part in a use case: who asks, where, and whether its permission still stands. */
export interface Asking {
  readonly principal: Principal;
  readonly tenant: Tenant;
  readonly roles: () => Promise<ReadonlySet<Role>>;
  readonly draft: AuditDraft;
  readonly standing: Standing;
}

/** What this room needs to know about people: the immutable subject behind a readable name. */
export interface IdentityDirectory {
  /** @throws ApiError `identity_not_found`, `validation_error` */
  resolve(tenant: Tenant, identityType: Subject['kind'], identityId: string): Promise<{ readonly subject: Subject }>;
}

/**
 * What a tenant may have: its policies are held in the memory of every process. `ranges`: address ranges and time windows
 * of all rules. docs/policies.md, "Limits".
 */
export const TENANT_LIMITS = { policies: 2_000, rules: 20_000, bindings: 20_000, ranges: 10_000 } as const;

/** A policy as its author sees it. */
export interface PolicyDocument {
  readonly id: PolicyId;
  readonly name: PolicyName;
  readonly description: string;
  readonly scope: 'tenant' | 'partner';
  readonly isActive: boolean;
  readonly version: number;
  /** As stored; another release may have put more into them. */
  readonly rules: readonly unknown[];
  readonly warnings: readonly RuleWarning[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewPolicy {
  readonly name: PolicyName;
  readonly description: string;
  readonly isActive: boolean;
  readonly rules: readonly RuleText[];
}

/** What a change gives a new value; the rest stays. */
export type PolicyPatch = Partial<NewPolicy>;

/** A policy in a list. */
export interface PolicySummary {
  readonly id: PolicyId;
  readonly name: PolicyName;
  readonly isActive: boolean;
  readonly ruleCount: number;
  /** Of those that have not expired. */
  readonly bindingCount: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type PolicyChange = 'created' | 'updated' | 'rolled_back' | 'deleted';

/** An entry of a policy's history: the state that a change led to; of a deletion, the one that was deleted. */
export interface PolicyVersion extends Omit<NewPolicy, 'rules'> {
  readonly version: number;
  readonly change: PolicyChange;
  /** The version that a rollback went back to. */
  readonly fromVersion: number | null;
  /** As stored. */
  readonly rules: readonly unknown[];
  readonly changedBy: string;
  readonly changedAt: Date;
}

export interface Binding {
  readonly id: BindingId;
  readonly policyId: PolicyId;
  readonly subject: Subject;
  /** As it was asked for. */
  readonly identityId: string;
  readonly expiresAt: Date | null;
  /** It counts for nobody any more. */
  readonly expired: boolean;
  readonly createdAt: Date;
}

export interface NewBinding {
  readonly identityType: Subject['kind'];
  readonly identityId: string;
  readonly expiresAt: Date | null;
}

/** Which policies a list shows. */
export interface PolicyFilter {
  /** Part of the name or of the description; ASCII letters in any case. */
  readonly text: string | null;
  readonly isActive: boolean | null;
}
