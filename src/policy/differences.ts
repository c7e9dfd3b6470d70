import { deniesAsMuch, isAsStrong } from './conditions/compare.ts';
import { covers } from './covers.ts';
import type { TemplateValues } from './glob.ts';
import type { Effect, Rule } from './rules.ts';
import type { Meter } from './sequences.ts';

/** Comparisons that one question may take, about a tenth of a second. Beyond that the answer is the careful one. */
const MAX_STEPS = 3_000_000;

/** Of nobody in particular: what is compared must hold for whoever a policy is bound to. */
const NO_VALUES: TemplateValues = { 'identity.key': null, 'tenant.id': null };

const withEffect = (rules: readonly Rule[], effect: Effect) => rules.filter((rule) => rule.effect === effect);

/**
 * The first deny rule of `before` of which `after` does not deny every part, as an index; -1: they are all kept. Sound,
 * not complete: -1 is always right.
 */
export function lostDenial(before: readonly Rule[], after: readonly Rule[]): number {
  const meter: Meter = { steps: 0 };
  const denying = withEffect(after, 'deny');
  // No permission at all: of a kind that this release does not know, so nobody here can tell what keeps it.
  return before.findIndex(
    (rule) => rule.effect === 'deny' && (rule.permissions === 0 || !isCovered(rule, denying, meter)),
  );
}

/** Whether `after` may allow something that `before` does not. False is always right. */
export function allowsMore(before: readonly Rule[], after: readonly Rule[]): boolean {
  const meter: Meter = { steps: 0 };
  const allowing = withEffect(before, 'allow');
  return lostDenial(before, after) >= 0 || withEffect(after, 'allow').some((rule) => !isCovered(rule, allowing, meter));
}

/** Whether rules of the same effect do together all that one rule does. */
function isCovered(rule: Rule, by: readonly Rule[], meter: Meter): boolean {
  let open = rule.permissions;
  const takeFrom = (others: readonly Rule[], matches: (other: Rule) => boolean) => {
    for (const other of others) {
      if ((other.permissions & open) === 0 || other.kind !== rule.kind || ++meter.steps > MAX_STEPS) continue;
      if (matches(other) && appliesWhenever(other, rule, meter)) open &= ~other.permissions;
    }
  };
  // Most rules of a policy are still there after a change, word for word.
  takeFrom(by, (other) => other.glob.text === rule.glob.text);
  if (open !== 0) takeFrom(by, (other) => covers(other.glob, rule.glob, NO_VALUES, meter));
  return open === 0;
}

/** Whether one rule applies whenever another of the same effect does, as far as conditions go. */
function appliesWhenever(rule: Rule, other: Rule, meter: Meter): boolean {
  return rule.effect === 'deny'
    ? deniesAsMuch(rule.conditions, other.conditions, meter)
    : isAsStrong(other.conditions, rule.conditions, meter);
}
