import { ApiError, validationError } from '../contract/errors.ts';
import { type PolicyName, parsePolicyName } from '../contract/names.ts';
import { parseUtcTime } from '../lib/utc-time.ts';
import { fillConditions } from './conditions/schema.ts';
import type { RuleText } from './rules.ts';
import { type BindingInput, MAX_VERSION, type PolicyInput, type PolicyPatchInput } from './schemas.ts';
import type { NewBinding, NewPolicy, PolicyPatch } from './types.ts';

/** A whole policy: what is left out gets its default. */
export function readPolicy(body: PolicyInput): NewPolicy {
  return {
    name: readName(body.name),
    description: body.description ?? '',
    isActive: body.is_active ?? true,
    rules: readRules(body.rules),
  };
}

/** Only what is named. */
export function readPatch({ name, description, is_active: isActive, rules }: PolicyPatchInput): PolicyPatch {
  return {
    ...(name === undefined ? {} : { name: readName(name) }),
    ...(description === undefined ? {} : { description }),
    ...(isActive === undefined ? {} : { isActive }),
    ...(rules === undefined ? {} : { rules: readRules(rules) }),
  };
}

function readName(text: string): PolicyName {
  const name = parsePolicyName(text);
  if (name !== null) return name;
  throw validationError({ name: 'a letter or digit, then a-z, 0-9, ".", "_" and "-", at most 128 characters' });
}

function readRules(rules: PolicyInput['rules']): readonly RuleText[] {
  return rules.map(({ path_pattern, permissions, effect = 'allow', kind = 'secret', conditions }) => {
    const rule = { path_pattern, permissions, effect, kind };
    const filled = fillConditions(conditions);
    return filled === undefined ? rule : { ...rule, conditions: filled };
  });
}

const ETAG = /^"([1-9]\d{0,9})"$/;

/** The version that a writer has seen, from `If-Match: "3"`; null: it does not say. @throws ApiError `invalid_request` */
export function readSeenVersion(call: { readonly ifMatch: string | null; readonly ifNoneMatch: string | null }) {
  if (call.ifNoneMatch !== null) {
    throw new ApiError('invalid_request', {
      message: 'If-None-Match has no meaning here: policies are created by POST /v1/policies. Use If-Match.',
    });
  }
  if (call.ifMatch === null) return null;
  const version = ETAG.exec(call.ifMatch)?.[1];
  if (version === undefined) {
    throw new ApiError('invalid_request', { message: 'If-Match takes one version in quotes, for example "3".' });
  }
  // One that no policy can have stays one that no policy has.
  return Math.min(Number(version), MAX_VERSION);
}

/** Ids that say what they are the id of (spec 04 "Tokens"). */
const ID_PREFIXES = { user: ['user:', 'usr_'], service_account: ['sa:'], group: ['group:', 'grp_'] } as const;

export function readBinding(body: BindingInput): NewBinding {
  const { identity_type: identityType, identity_id: identityId } = body;
  const prefixes = ID_PREFIXES[identityType];
  if (!prefixes.some((prefix) => identityId.startsWith(prefix) && identityId.length > prefix.length)) {
    const forms = prefixes.map((prefix) => `"${prefix}..."`).join(' or ');
    throw validationError({ identity_id: `for identity_type ${identityType} write ${forms}` });
  }
  return { identityType, identityId, expiresAt: readTime(body.expires_at ?? null) };
}

function readTime(text: string | null): Date | null {
  if (text === null) return null;
  const time = parseUtcTime(text);
  if (time === null) throw validationError({ expires_at: 'must be a time in UTC, like 2027-01-31T12:00:00Z' });
  return new Date(time);
}
