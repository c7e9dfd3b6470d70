import type { PolicyId, SecretPath, TenantId } from '../contract/names.ts';
import { type Permission, RULE_KINDS, type RuleKind } from '../contract/permissions.ts';
import { ConditionalRules, NOTHING } from './conditional-rules.ts';
import { type ConditionName, FAILURES, type FailureCode, type Findings } from './conditions/findings.ts';
import type { TemplateValues } from './glob.ts';
import { permissionIndex } from './permission-mask.ts';
import type { Effect, Rule } from './rules.ts';
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

export type Reason = 'allowed_by_rule' | 'denied_by_rule' | 'no_matching_rule' | FailureCode;

/** Why an allow rule that matches did not apply. */
export interface Failed {
  readonly condition: ConditionName;
  /** What the caller is told. */
  readonly code: FailureCode;
}

/** May be shared between requests. */
export interface Decision {
  readonly allowed: boolean;
  /**
   * Of several rules that lead to the same answer, the first one by the policies' ids (their age) and then by its place
   * in the policy. Null: no rule applies.
   */
  readonly decidedBy: {
    readonly policyId: PolicyId;
    readonly policyVersion: number;
    readonly ruleIndex: number;
  } | null;
  readonly reason: Reason;
  /** Of the first allow rule that would have allowed this if its conditions held; null where there is none. */
  readonly failed: Failed | null;
}

/** A policy with its rules read. */
export interface Policy {
  readonly id: PolicyId;
  readonly version: number;
  readonly rules: readonly Rule[];
}

const NO_MATCHING_RULE: Decision = Object.freeze({
  allowed: false,
  decidedBy: null,
  reason: 'no_matching_rule',
  failed: null,
});

/** The rules of one kind. What has no conditions is found by one walk, however many there are. */
class RulesOfKind {
  readonly allow = new GlobTrie('matches_nothing');
  readonly deny = new GlobTrie('matches_any_segment');
  readonly conditional: Partial<Record<Effect, ConditionalRules>> = {};

  add(rule: Rule, number: number): void {
    const { effect, glob, permissions, conditions } = rule;
    if (conditions === null) {
      this[effect].add(glob, permissions, number);
      return;
    }
    this.conditional[effect] ??= new ConditionalRules(effect);
    this.conditional[effect].add(rule, conditions, number);
  }
}

/**
 * The policies of one caller, compiled. It holds nothing of the caller itself, so that everybody with the same policies
 * shares one; what differs comes with the question (`values`, `findings`).
 */
export class PolicySet {
  readonly namespaceId: TenantId;
  readonly ruleCount: number;
  readonly #rules: ReadonlyMap<RuleKind, RulesOfKind>;
  /** The answer that each rule gives, by its number. */
  readonly #decisions: readonly Decision[];

  constructor(namespaceId: TenantId, policies: readonly Policy[]) {
    this.namespaceId = namespaceId;
    this.#rules = new Map(RULE_KINDS.map((kind) => [kind, new RulesOfKind()]));
    const decisions: Decision[] = [];
    for (const policy of [...policies].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      for (const [ruleIndex, rule] of policy.rules.entries()) {
        this.#rules.get(rule.kind)?.add(rule, decisions.length);
        decisions.push(decisionOf(policy, ruleIndex, rule));
      }
    }
    this.#decisions = decisions;
    this.ruleCount = decisions.length;
  }

  /**
   * Default deny; any matching deny rule wins; else any matching allow rule passes (spec 04). A rule whose conditions do
   * not hold does not apply, and is remembered where it would have allowed what nothing else does.
   */
  decide(asked: Target, values: TemplateValues, findings: Findings): Decision {
    if (asked.namespaceId !== this.namespaceId) throw new Error('policies of another tenant were asked');
    const rules = this.#rules.get(asked.kind);
    if (rules === undefined) return NO_MATCHING_RULE;
    const { path } = asked;
    const permission = permissionIndex(asked.permission);
    const { conditional } = rules;
    const denying = rules.deny.first(path, permission, values);
    const denyingNow = conditional.deny?.look(path, permission, values, findings).applying ?? -1;
    if (denying >= 0 || denyingNow >= 0) return this.#decisionOf(lower(denying, denyingNow));
    const allowing = rules.allow.first(path, permission, values);
    const now = conditional.allow?.look(path, permission, values, findings) ?? NOTHING;
    if (allowing >= 0 || now.applying >= 0) return this.#decisionOf(lower(allowing, now.applying));
    return now.failed === null ? NO_MATCHING_RULE : FAILED[now.failed];
  }

  #decisionOf(rule: number): Decision {
    return this.#decisions[rule] ?? NO_MATCHING_RULE;
  }
}

/** Of two numbers the lower one; below zero is none. */
function lower(a: number, b: number): number {
  return a < 0 || b < 0 ? Math.max(a, b) : Math.min(a, b);
}

const FAILED = Object.freeze(
  Object.fromEntries(
    Object.entries(FAILURES).map(([name, code]) => {
      const failed = Object.freeze({ condition: name as ConditionName, code });
      return [name, Object.freeze({ allowed: false, decidedBy: null, reason: code, failed })];
    }),
  ) as Record<ConditionName, Decision>,
);

function decisionOf(policy: Policy, ruleIndex: number, rule: Rule): Decision {
  const allowed = rule.effect === 'allow';
  return Object.freeze({
    allowed,
    decidedBy: Object.freeze({ policyId: policy.id, policyVersion: policy.version, ruleIndex }),
    reason: allowed ? 'allowed_by_rule' : 'denied_by_rule',
    failed: null,
  });
}
