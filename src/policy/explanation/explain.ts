import { type Circumstances, type ConditionName, Findings } from '../conditions/findings.ts';
import { type Decision, type Policy, PolicySet, type Target } from '../evaluate.ts';
import type { TemplateValues } from '../glob.ts';
import { ALL_PERMISSIONS, permissionBit } from '../permission-mask.ts';
import type { Effect, Rule } from '../rules.ts';
import { GlobTrie } from '../trie.ts';

/** What a rule has to do with a question. */
export interface RuleExplanation {
  readonly index: number;
  readonly pattern: string;
  /** Whether it is of the kind and its pattern has the path. */
  readonly matched: boolean;
  /** Whether the permission is one of its own: it gives it, or takes it where it denies. */
  readonly permissionGranted: boolean;
  /** What keeps it from applying although it matches. */
  readonly failedCondition: ConditionName | null;
}

/** A decision, and how each rule took part in it. */
export interface Explanation {
  readonly decision: Decision;
  /** In the order of the policies that were given. */
  readonly rules: readonly (readonly RuleExplanation[])[];
}

/** Decides as a request would be decided, by the same evaluator, and says what each rule says by itself. */
export function explain(
  policies: readonly Policy[],
  asked: Target,
  values: TemplateValues,
  circumstances: Circumstances,
): Explanation {
  const findings = new Findings(circumstances);
  const decision = new PolicySet(asked.namespaceId, policies).decide(asked, values, findings);
  const bit = permissionBit(asked.permission);
  const rules = policies.map((policy) => {
    const matched = matchingRules(policy.rules, asked, values);
    return policy.rules.map((rule, index) => ({
      index,
      pattern: rule.glob.text,
      matched: matched.has(index),
      permissionGranted: (rule.permissions & bit) !== 0,
      failedCondition: matched.has(index) ? findings.against(rule.effect, rule.conditions) : null,
    }));
  });
  return { decision, rules };
}

/** The indexes of the rules of the asked kind whose pattern has the path, whatever they permit. */
function matchingRules(rules: readonly Rule[], asked: Target, values: TemplateValues): ReadonlySet<number> {
  const tries: Record<Effect, GlobTrie> = {
    allow: new GlobTrie('matches_nothing'),
    deny: new GlobTrie('matches_any_segment'),
  };
  for (const [index, { kind, effect, glob }] of rules.entries()) {
    if (kind === asked.kind) tries[effect].addEach(glob, ALL_PERMISSIONS, index);
  }
  const found = new Set<number>();
  for (const trie of Object.values(tries)) trie.each(asked.path, 0, values, (index) => void found.add(index));
  return found;
}
