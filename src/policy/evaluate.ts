import type { PolicyId, SecretPath, TenantId } from '../contract/names.ts';
import { type Permission, RULE_KINDS, type RuleKind } from '../contract/permissions.ts';
import type { TemplateValues } from './glob.ts';
import { permissionIndex } from './permission-mask.ts';
import type { Rule } from './rules.ts';
import { GlobTrie } from './trie.ts';

declare const target: unique symbol;

/**
 * What is asked for. One value, so that no two parts of the house can spell it differently: a rule is never looked at
 * with the path of one question and the kind or the tenant of another.
 */
export type Target = {
  /** The tenant whose policies decide. */
  readonly namespaceId: TenantId;
  readonly kind: RuleKind;
  readonly path: SecretPath;
  readonly permission: Permission;
} & { readonly [target]: true };

export function targetOf(namespaceId: TenantId, kind: RuleKind, path: SecretPath, permission: Permission): Target {
  return { namespaceId, kind, path, permission } as Target;
}

export type Reason = 'allowed_by_rule' | 'denied_by_rule' | 'no_matching_rule';

/** May be shared between requests. */
export interface Decision {
  readonly allowed: boolean;
  /**
   * Of several rules that lead to the same answer, the first one by the policies' ids (their age) and then by its place
   * in the policy. Null: no rule matches.
   */
  readonly decidedBy: {
    readonly policyId: PolicyId;
    readonly policyVersion: number;
    readonly ruleIndex: number;
  } | null;
  readonly reason: Reason;
}

/** A policy with its rules read. */
export interface Policy {
  readonly id: PolicyId;
  readonly version: number;
  readonly rules: readonly Rule[];
}

const NO_MATCHING_RULE: Decision = Object.freeze({ allowed: false, decidedBy: null, reason: 'no_matching_rule' });

/**
 * The policies of one caller, compiled. It holds nothing of the caller itself, so that everybody with the same policies
 * shares one; what differs comes with the question (`values`).
 */
export class PolicySet {
  readonly namespaceId: TenantId;
  readonly ruleCount: number;
  readonly #tries: ReadonlyMap<RuleKind, { readonly allow: GlobTrie; readonly deny: GlobTrie }>;
  /** The answer that each rule gives, by its number. */
  readonly #decisions: readonly Decision[];

  constructor(namespaceId: TenantId, policies: readonly Policy[]) {
    this.namespaceId = namespaceId;
    this.#tries = new Map(
      RULE_KINDS.map((kind) => [
        kind,
        { allow: new GlobTrie('matches_nothing'), deny: new GlobTrie('matches_any_segment') },
      ]),
    );
    const decisions: Decision[] = [];
    for (const policy of [...policies].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      for (const [ruleIndex, rule] of policy.rules.entries()) {
        this.#tries.get(rule.kind)?.[rule.effect].add(rule.glob, rule.permissions, decisions.length);
        decisions.push(decisionOf(policy, ruleIndex, rule));
      }
    }
    this.#decisions = decisions;
    this.ruleCount = decisions.length;
  }

  /** Default deny; any matching deny rule wins; else any matching allow rule passes (spec 04). */
  decide(asked: Target, values: TemplateValues): Decision {
    if (asked.namespaceId !== this.namespaceId) throw new Error('policies of another tenant were asked');
    const tries = this.#tries.get(asked.kind);
    if (tries === undefined) return NO_MATCHING_RULE;
    const permission = permissionIndex(asked.permission);
    const denying = tries.deny.first(asked.path, permission, values);
    const deciding = denying >= 0 ? denying : tries.allow.first(asked.path, permission, values);
    return this.#decisions[deciding] ?? NO_MATCHING_RULE;
  }
}

function decisionOf(policy: Policy, ruleIndex: number, rule: Rule): Decision {
  const allowed = rule.effect === 'allow';
  return Object.freeze({
    allowed,
    decidedBy: Object.freeze({ policyId: policy.id, policyVersion: policy.version, ruleIndex }),
    reason: allowed ? 'allowed_by_rule' : 'denied_by_rule',
  });
}
