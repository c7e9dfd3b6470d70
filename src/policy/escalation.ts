import { ApiError } from '../contract/errors.ts';
import { isAsStrong } from './conditions/compare.ts';
import type { Findings } from './conditions/findings.ts';
import { covers, intersects } from './covers.ts';
import type { TemplateValues } from './glob.ts';
import { permissionBit } from './permission-mask.ts';
import type { Rule } from './rules.ts';
import type { Meter } from './sequences.ts';

/**
 * Comparisons that one check may take, about a tenth of a second. A policy beyond that is refused to callers without a
 * role: what cannot be shown to be harmless is not done.
 */
const MAX_STEPS = 3_000_000;

const ADMIN = permissionBit('admin');

/** What the caller itself may do. */
export interface Held {
  /** Rules that are looked through for what allows; the others are skipped. */
  readonly allowing: readonly Rule[];
  /** Rules that are looked through for what denies. */
  readonly denying: readonly Rule[];
  /** What the caller's circumstances mean for the conditions in them. */
  readonly findings: Findings;
  /** What the templates in them stand for. */
  readonly values: TemplateValues;
}

/**
 * Nobody without a role hands out more than they hold (spec 12, "No escalation by policy"; CVE-2024-9180): each allow
 * rule must lie within one rule of the same kind under which the caller holds `admin` at this moment, have the same or
 * stronger conditions than that rule, and lie outside every deny rule of the caller that takes away something that the new
 * rule gives, whether or not that one applies at the moment.
 *
 * @throws ApiError `forbidden`, naming the first rule that is not covered
 */
export function refuseEscalation(given: readonly Rule[], held: Held, maxSteps = MAX_STEPS): void {
  const { values, findings } = held;
  const admin = held.allowing.filter(
    (rule) =>
      rule.effect === 'allow' &&
      (rule.permissions & ADMIN) !== 0 &&
      findings.against(rule.effect, rule.conditions) === null,
  );
  const denying = held.denying.filter((rule) => rule.effect === 'deny');
  const meter: Meter = { steps: 0 };
  for (const [index, rule] of given.entries()) {
    if (rule.effect === 'deny') continue;
    // No permission at all: a stored rule that this release cannot read, so nobody knows what it gives.
    const readable = rule.permissions !== 0;
    const covered = admin.some((own) => {
      refuseAbove(meter, maxSteps);
      return (
        own.kind === rule.kind &&
        covers(own.glob, rule.glob, values, meter) &&
        isAsStrong(rule.conditions, own.conditions, meter)
      );
    });
    const taken = denying.some((own) => {
      refuseAbove(meter, maxSteps);
      const overlaps = own.kind === rule.kind && (own.permissions & rule.permissions) !== 0;
      return overlaps && intersects(own.glob, rule.glob, values, meter);
    });
    if (!readable || !covered || taken)
      throw tooMuch(index, rule, taken ? 'a deny rule takes part of it from you' : null);
  }
}

function tooMuch(index: number, rule: Rule, because: string | null): ApiError {
  const why = because ?? `you do not hold "admin" on all of it (kind ${rule.kind}), or under conditions that it lacks`;
  return new ApiError('forbidden', {
    message: `rules[${index}] gives more than you may hand out: ${why}. Ask for less, or ask a tenant_admin to do it.`,
    details: { rule_index: index },
  });
}

function refuseAbove(meter: Meter, maxSteps: number): void {
  // One for the comparison of the pair itself, however early it ends.
  if (++meter.steps <= maxSteps) return;
  throw new ApiError('forbidden', {
    message:
      'The policy is too large to be compared with what you hold. Split it into smaller ones, or ask a tenant_admin.',
  });
}
