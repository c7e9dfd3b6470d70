import { ApiError } from '../contract/errors.ts';
import { PERMISSIONS, type Permission, RULE_KINDS, type RuleKind } from '../contract/permissions.ts';
import { BadCondition, type Conditions, parseConditions, refuseUnknownZones } from './conditions/conditions.ts';
import { type ConditionsText, fillConditions, isConditions } from './conditions/schema.ts';
import { type Glob, parseGlob } from './glob.ts';
import { ALL_PERMISSIONS, type PermissionMask, permissionMask } from './permission-mask.ts';

export type Effect = 'allow' | 'deny';

/** A rule as the API takes, gives and stores it, with its defaults filled in. */
export interface RuleText {
  readonly path_pattern: string;
  readonly permissions: readonly Permission[];
  readonly effect: Effect;
  readonly kind: RuleKind;
  /** Absent: none. */
  readonly conditions?: ConditionsText;
}

/** A rule as the evaluator uses it. */
export interface Rule {
  readonly glob: Glob;
  readonly permissions: PermissionMask;
  readonly effect: Effect;
  readonly kind: RuleKind;
  /** Null: none. */
  readonly conditions: Conditions | null;
}

/** Something about an accepted rule that its author should look at. */
export interface RuleWarning {
  readonly rule_index: number;
  readonly message: string;
}

/** What a tenant may hand out on its partner's secrets (spec 12, "Rules have a kind"). */
const PARTNER_SECRET_PERMISSIONS: readonly Permission[] = ['read', 'list'];

/**
 * Reads the rules of a policy as they were sent.
 * @throws ApiError `invalid_glob` or `invalid_policy`, with `details.rule_index`
 */
export function parseRules(texts: readonly RuleText[]): {
  readonly rules: readonly Rule[];
  readonly warnings: readonly RuleWarning[];
} {
  const rules = texts.map(parseRule);
  return { rules, warnings: warningsOf(rules) };
}

/** What the author of these rules should look at. */
export function warningsOf(rules: readonly Rule[]): readonly RuleWarning[] {
  const denied = deniedPatterns(rules);
  return rules.flatMap((rule, index) => {
    const message = rule.glob.impossible ?? leavesParentOpen(rule, denied);
    return message === null ? [] : [{ rule_index: index, message }];
  });
}

/** How many address ranges and time windows rules have. */
export function rangesOf(rules: readonly Rule[]): number {
  return rules.reduce((sum, { conditions }) => sum + (conditions?.ranges ?? 0), 0);
}

type Refuse = (code: 'invalid_glob' | BadCondition['code'], message: string, cause?: unknown) => ApiError;

function parseRule(text: RuleText, index: number): Rule {
  const refuse: Refuse = (code, message, cause) =>
    new ApiError(code, { message: `rules[${index}]: ${message}`, details: { rule_index: index }, cause });
  const glob = globOf(text.path_pattern, (error) => refuse('invalid_glob', error.message, error));
  if (text.effect === 'deny' && glob.impossible !== null) {
    throw refuse('invalid_glob', `${glob.impossible} A deny rule that never applies is a false sense of safety.`);
  }
  if (text.kind === 'partner_secret' && text.permissions.some((each) => !PARTNER_SECRET_PERMISSIONS.includes(each))) {
    throw refuse('invalid_policy', 'Of a partner secret, a policy of a tenant can give "read" and "list" only.');
  }
  const given = fillConditions(text.conditions);
  const conditions = given === undefined ? null : conditionsOf(given, text.effect, refuse);
  return { glob, permissions: permissionMask(text.permissions), effect: text.effect, kind: text.kind, conditions };
}

function globOf(pattern: string, wrap: (error: ApiError) => ApiError): Glob {
  try {
    return parseGlob(pattern);
  } catch (error) {
    throw error instanceof ApiError ? wrap(error) : error;
  }
}

function conditionsOf(text: ConditionsText, effect: Effect, refuse: Refuse): Conditions {
  try {
    const conditions = parseConditions(text);
    refuseUnknownZones(conditions);
    refuseDenialByMfa(text, effect);
    return conditions;
  } catch (error) {
    throw error instanceof BadCondition ? refuse(error.code, error.message, error) : error;
  }
}

/** Who signs in without a second factor would step around such a rule (spec 12, "Deny, conditions, templates"). */
function refuseDenialByMfa({ require_mfa, max_mfa_age }: ConditionsText, effect: Effect): void {
  if (effect === 'allow' || (require_mfa === undefined && max_mfa_age === undefined)) return;
  throw new BadCondition(
    'invalid_policy',
    'require_mfa',
    'a deny rule takes neither this nor max_mfa_age. Put them on the allow rules instead.',
  );
}

/** For each kind and pattern, what deny rules take away, whatever the circumstances. */
function deniedPatterns(rules: readonly Rule[]): ReadonlyMap<string, PermissionMask> {
  const denied = new Map<string, PermissionMask>();
  for (const { effect, kind, glob, permissions, conditions } of rules) {
    const key = deniedKey(kind, glob.text, conditions);
    if (effect === 'deny') denied.set(key, (denied.get(key) ?? 0) | permissions);
  }
  return denied;
}

const deniedKey = (kind: RuleKind, pattern: string, conditions: Conditions | null) =>
  `${kind} ${pattern} ${conditions?.text ?? ''}`;

/** `p/**` is every path below p and not p itself, which is easily overlooked in a deny rule. */
function leavesParentOpen(rule: Rule, denied: ReadonlyMap<string, PermissionMask>): string | null {
  const parent = /^(.+)\/\*\*$/.exec(rule.glob.text)?.[1];
  if (rule.effect === 'allow' || parent === undefined) return null;
  const deniedOn = (pattern: string, under: Conditions | null) => denied.get(deniedKey(rule.kind, pattern, under)) ?? 0;
  const closed = [null, rule.conditions].reduce<PermissionMask>(
    (sum, under) => sum | deniedOn(parent, under) | deniedOn('**', under),
    0,
  );
  if ((rule.permissions & ~closed) === 0) return null;
  return `"${rule.glob.text}" denies what is below "${parent}", not "${parent}" itself. Deny both if you mean both.`;
}

const EVERYTHING = parseGlob('**');
const RULE_MEMBERS: ReadonlySet<string> = new Set<keyof RuleText>([
  'path_pattern',
  'permissions',
  'effect',
  'kind',
  'conditions',
]);

/**
 * Reads a rule out of the database. One that this release cannot read in full (a newer release wrote it, with
 * conditions of its own say) gives nothing if it allows, and denies everything of its kind if it denies. A kind that this release
 * does not know is never asked for.
 */
export function readStoredRule(stored: unknown): Rule {
  const members = new Map(typeof stored === 'object' && stored !== null ? Object.entries(stored) : []);
  const effect = members.get('effect') === 'allow' ? 'allow' : 'deny';
  const kind = RULE_KINDS.find((each) => each === members.get('kind'));
  if (kind === undefined) return { glob: EVERYTHING, permissions: 0, effect, kind: 'secret', conditions: null };
  const permissions = storedPermissions(members.get('permissions'));
  const glob = storedGlob(members.get('path_pattern'));
  const readable = [...members.keys()].every((name) => RULE_MEMBERS.has(name));
  const conditions = storedConditions(members.get('conditions'), effect);
  if (readable && permissions !== null && glob !== null && conditions !== 'unreadable') {
    return { glob, permissions: permissionMask(permissions), effect, kind, conditions };
  }
  return { glob: EVERYTHING, permissions: effect === 'deny' ? ALL_PERMISSIONS : 0, effect, kind, conditions: null };
}

function storedConditions(stored: unknown, effect: Effect): Conditions | null | 'unreadable' {
  if (stored === undefined) return null;
  try {
    if (!isConditions(stored) || fillConditions(stored) === undefined) return 'unreadable';
    refuseDenialByMfa(stored, effect);
    return parseConditions(stored);
  } catch {
    return 'unreadable';
  }
}

function storedPermissions(stored: unknown): readonly Permission[] | null {
  if (!Array.isArray(stored)) return null;
  const known = PERMISSIONS.filter((permission) => stored.includes(permission));
  return known.length === stored.length ? known : null;
}

function storedGlob(stored: unknown): Glob | null {
  try {
    return typeof stored === 'string' ? parseGlob(stored) : null;
  } catch {
    return null;
  }
}
