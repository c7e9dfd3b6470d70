import { ApiError } from '../contract/errors.ts';
import { PERMISSIONS, type Permission, RULE_KINDS, type RuleKind } from '../contract/permissions.ts';
import { type Glob, parseGlob } from './glob.ts';
import { ALL_PERMISSIONS, type PermissionMask, permissionMask } from './permission-mask.ts';

export type Effect = 'allow' | 'deny';

/** A rule as the API takes, gives and stores it, with every member present. */
export interface RuleText {
  readonly path_pattern: string;
  readonly permissions: readonly Permission[];
  readonly effect: Effect;
  readonly kind: RuleKind;
}

/** A rule as the evaluator uses it. */
export interface Rule {
  readonly glob: Glob;
  readonly permissions: PermissionMask;
  readonly effect: Effect;
  readonly kind: RuleKind;
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

function parseRule(text: RuleText, index: number): Rule {
  const refuse = (code: 'invalid_glob' | 'invalid_policy', message: string, cause?: unknown) =>
    new ApiError(code, { message: `rules[${index}]: ${message}`, details: { rule_index: index }, cause });
  const glob = globOf(text.path_pattern, (error) => refuse('invalid_glob', error.message, error));
  if (text.effect === 'deny' && glob.impossible !== null) {
    throw refuse('invalid_glob', `${glob.impossible} A deny rule that never applies is a false sense of safety.`);
  }
  if (text.kind === 'partner_secret' && text.permissions.some((each) => !PARTNER_SECRET_PERMISSIONS.includes(each))) {
    throw refuse('invalid_policy', 'Of a partner secret, a policy of a tenant can give "read" and "list" only.');
  }
  return { glob, permissions: permissionMask(text.permissions), effect: text.effect, kind: text.kind };
}

function globOf(pattern: string, wrap: (error: ApiError) => ApiError): Glob {
  try {
    return parseGlob(pattern);
  } catch (error) {
    throw error instanceof ApiError ? wrap(error) : error;
  }
}

/** For each kind and pattern, what deny rules take away. */
function deniedPatterns(rules: readonly Rule[]): ReadonlyMap<string, PermissionMask> {
  const denied = new Map<string, PermissionMask>();
  for (const { effect, kind, glob, permissions } of rules) {
    const key = `${kind} ${glob.text}`;
    if (effect === 'deny') denied.set(key, (denied.get(key) ?? 0) | permissions);
  }
  return denied;
}

/** `p/**` is every path below p and not p itself, which is easily overlooked in a deny rule. */
function leavesParentOpen(rule: Rule, denied: ReadonlyMap<string, PermissionMask>): string | null {
  const parent = /^(.+)\/\*\*$/.exec(rule.glob.text)?.[1];
  if (rule.effect === 'allow' || parent === undefined) return null;
  const closed = (denied.get(`${rule.kind} ${parent}`) ?? 0) | (denied.get(`${rule.kind} **`) ?? 0);
  if ((rule.permissions & ~closed) === 0) return null;
  return `"${rule.glob.text}" denies what is below "${parent}", not "${parent}" itself. Deny both if you mean both.`;
}

const EVERYTHING = parseGlob('**');
const RULE_MEMBERS: ReadonlySet<string> = new Set<keyof RuleText>(['path_pattern', 'permissions', 'effect', 'kind']);

/**
 * Reads a rule out of the database. One that this release cannot read in full (a newer release wrote it, with
 * conditions say) gives nothing if it allows, and denies everything of its kind if it denies. A kind that this release
 * does not know is never asked for.
 */
export function readStoredRule(stored: unknown): Rule {
  const members = new Map(typeof stored === 'object' && stored !== null ? Object.entries(stored) : []);
  const effect = members.get('effect') === 'allow' ? 'allow' : 'deny';
  const kind = RULE_KINDS.find((each) => each === members.get('kind'));
  if (kind === undefined) return { glob: EVERYTHING, permissions: 0, effect, kind: 'secret' };
  const permissions = storedPermissions(members.get('permissions'));
  const glob = storedGlob(members.get('path_pattern'));
  const readable = [...members.keys()].every((name) => RULE_MEMBERS.has(name));
  if (readable && permissions !== null && glob !== null) {
    return { glob, permissions: permissionMask(permissions), effect, kind };
  }
  return { glob: EVERYTHING, permissions: effect === 'deny' ? ALL_PERMISSIONS : 0, effect, kind };
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
