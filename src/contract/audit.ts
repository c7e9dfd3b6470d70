import type { ErrorCode } from './errors.ts';
import type { IdentityId, PartnerId, PolicyId, SecretPath, TenantId } from './names.ts';
import type { Permission, RuleKind } from './permissions.ts';
import type { Subject, SubjectKind } from './principal.ts';
import type { Scope } from './scopes.ts';

/** What an audit entry says was done (spec 06). A denial is the same action with `success: false`. */
export const ACTIONS = [
  'read',
  'batch_read',
  'write',
  'delete',
  'undelete',
  'destroy',
  'rollback',
  'list',
  'metadata_read',
  'metadata_write',
  'policy_create',
  'policy_read',
  'policy_test',
  'policy_update',
  'policy_delete',
  'policy_bind',
  'policy_unbind',
  'policy_self_granted',
  'audit_read',
  'auth',
  'auth_failed',
  'role_change',
  'tenant_created',
  'bootstrap',
  'metrics_read',
  'migrate',
  'process_start',
  'process_stop',
] as const;
export type Action = (typeof ACTIONS)[number];

/** Why access was given or not: enough to explain it later without replaying the request (spec 12, "Decision ids"). */
export interface DecisionRecord {
  readonly kind: RuleKind | null;
  readonly permission: Permission | null;
  readonly policyEpoch: number;
  readonly decidedBy: {
    readonly policyId: PolicyId;
    readonly policyVersion: number;
    readonly ruleIndex: number;
  } | null;
  /** A short stable word: `allowed_by_rule`, `allowed_by_role`, `denied_by_rule`, `no_matching_rule`, `ip_not_allowed`, ... */
  readonly reason: string;
  /** The condition that kept the rule from applying which would have allowed this. */
  readonly failedCondition?: string | null;
  readonly subject: Subject;
  readonly groups: readonly string[];
  readonly scopes: readonly Scope[];
  readonly mfaVerifiedAt: string | null;
}

/** What is known about a request before it runs: the part of its audit entry that no handler may change. */
export interface AuditDraft {
  /** `log_...`, made when the request arrives; a 403 shows it as `details.decision_id`. */
  readonly id: string;
  readonly tenantId: TenantId;
  readonly partnerId: PartnerId | null;
  readonly action: Action;
  /** The secret's path, or null where the request names none. */
  readonly secretPath: SecretPath | string | null;
  /** What else the request works on: `policies/pol_...`, `audit`, ... */
  readonly resource: string | null;
  readonly identityType: SubjectKind | 'system' | null;
  readonly identityId: IdentityId | string | null;
  readonly onBehalfOf: string | null;
  /** Null: unknown (spec 12, "Source address"). */
  readonly sourceIp: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** Microseconds since the epoch. */
  readonly startedMicros: number;
  readonly decision: DecisionRecord | null;
  /** Never a value. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** What only the work itself knows. */
export interface AuditFacts {
  readonly secretPath?: string | null;
  readonly resource?: string | null;
  readonly version?: number | null;
  readonly action?: Action;
  readonly extra?: Readonly<Record<string, unknown>>;
}

export type AuditResult =
  | { readonly success: true; readonly facts?: AuditFacts }
  | { readonly success: false; readonly errorCode: ErrorCode; readonly facts?: AuditFacts };

/** One of several entries of a request; each is stored under an id of its own. */
export interface AuditPart {
  /** Where the answer names it, as a denial does; made when it is stored where it is left out. */
  readonly id?: string;
  readonly result: AuditResult;
  /** Why this part was allowed or not, where that differs from the request's own. */
  readonly decision?: DecisionRecord;
}
