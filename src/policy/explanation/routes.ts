import { validationError } from '../../contract/errors.ts';
import { parseSecretPath } from '../../contract/names.ts';
import type { Principal, SubjectKind } from '../../contract/principal.ts';
import { type Authority, type Call, type Route, readRoute } from '../../contract/route.ts';
import { NoQuery } from '../../contract/schemas.ts';
import { type Clock, isoMillis } from '../../lib/clock.ts';
import { canonicalIp } from '../../lib/ip-addresses.ts';
import { parseUtcTime } from '../../lib/utc-time.ts';
import type { Circumstances } from '../conditions/findings.ts';
import { PolicyTestBody, PolicyTestInput } from './schemas.ts';
import type { EvaluatedPolicy, PolicyTest, Tested, TestResult } from './testing.ts';

/**
 * About oneself anybody may ask, as long as it is about groups that one is in; about others who may read policies
 * (spec 12, "Every route names its authority").
 */
const authority: Authority = {
  type: 'role',
  role: 'tenant_admin',
  sys: { path: 'policies', permission: 'read' },
  own: ({ principal, body }) => {
    const { identity_id, context } = body as PolicyTestInput;
    const groups = context?.groups?.map(groupName) ?? [];
    return namesCaller(identity_id, principal) && groups.every((group) => principal.groups.includes(group));
  },
};

/** `POST /v1/policies/test` (spec 04). Nothing happens, and its answer is the one that leaves no audit entry (spec 06). */
export function policyTestRoute(test: PolicyTest, clock: Clock): Route {
  return readRoute({
    method: 'POST',
    path: '/v1/policies/test',
    summary: 'Tells what somebody may do at a path, and how each rule of their policies took part in it.',
    tag: 'policies',
    category: 'POLICY_TEST',
    scope: 'policies:read',
    authority,
    action: 'policy_test',
    audited: false,
    query: NoQuery,
    body: PolicyTestInput,
    responses: { 200: { description: 'The decision and its explanation.', schema: PolicyTestBody } },
    run: async (call) => ({ status: 200, body: bodyOf(await test(call, readInput(call, clock.nowMs()))) }),
  });
}

const KINDS: readonly (readonly [prefix: string, kind: SubjectKind])[] = [
  ['user:', 'user'],
  ['usr_', 'user'],
  ['sa:', 'service_account'],
  ['group:', 'group'],
  ['grp_', 'group'],
];

function readInput({ body, principal, draft }: Call<unknown, PolicyTestInput>, nowMs: number): Tested {
  const { identity_id, path, permission, kind = 'secret', context = {} } = body;
  const own = namesCaller(identity_id, principal);
  const asked = timeOf(context.timestamp) ?? nowMs;
  // What is not said about oneself is as it is; what is not said about others is not known.
  const circumstances: Circumstances = {
    sourceIp: context.source_ip === undefined ? (own ? draft.sourceIp : null) : addressOf(context.source_ip),
    mfaVerifiedAt: context.mfa_verified === undefined && own ? principal.mfaVerifiedAt : mfaOf(context, asked),
    nowMs: asked,
  };
  return {
    identity: own ? null : { kind: kindOf(identity_id), id: identity_id },
    kind,
    path: parseSecretPath(path),
    permission,
    circumstances,
    groups: context.groups?.map(groupName) ?? (own ? principal.groups : []),
  };
}

/** By the name that `whoami` shows, or by one of the id forms. */
function namesCaller(identityId: string, { identityId: own, subject }: Principal): boolean {
  const ids = KINDS.filter(([, kind]) => kind === subject.kind).map(([prefix]) =>
    prefix.endsWith(':') ? `${prefix}${subject.id}` : subject.id,
  );
  return identityId === own || (kindIn(identityId) === subject.kind && ids.includes(identityId));
}

function kindIn(identityId: string): SubjectKind | null {
  return KINDS.find(([prefix]) => identityId.startsWith(prefix))?.[1] ?? null;
}

function kindOf(identityId: string): SubjectKind {
  const kind = kindIn(identityId);
  if (kind !== null) return kind;
  throw validationError({ identity_id: 'write user:..., usr_..., sa:..., group:... or grp_...' });
}

/** Tokens name groups without the prefix that bindings have. */
function groupName(text: string): string {
  return text.startsWith('group:') ? text.slice('group:'.length) : text;
}

function addressOf(text: string | null): string | null {
  const address = text === null ? null : canonicalIp(text);
  if (address === null && text !== null) throw validationError({ 'context.source_ip': 'must be an IP address' });
  return address;
}

function mfaOf({ mfa_verified = false }: NonNullable<PolicyTestInput['context']>, nowMs: number): number | null {
  return mfa_verified ? nowMs : null;
}

function timeOf(text: string | undefined): number | null {
  const time = text === undefined ? null : parseUtcTime(text);
  if (time === null && text !== undefined) {
    throw validationError({ 'context.timestamp': 'must be a time in UTC, like 2027-01-31T12:00:00Z' });
  }
  return time;
}

function bodyOf({ decision, evaluated }: TestResult) {
  const { allowed, decidedBy, reason } = decision;
  return {
    allowed,
    decided_by: decidedBy === null ? null : { policy_id: decidedBy.policyId, rule_index: decidedBy.ruleIndex },
    reason,
    evaluated: evaluated.map(evaluatedBody),
    warnings: evaluated.flatMap(({ policy, warnings }) =>
      warnings.map((warning) => ({ policy_id: policy.policy_id, ...warning })),
    ),
  };
}

function evaluatedBody({ policy, binding, rules }: EvaluatedPolicy) {
  return {
    policy_id: policy.policy_id,
    name: policy.name,
    binding: {
      id: binding.binding_id,
      identity_type: binding.kind,
      identity_id: binding.display_name,
      expires_at: binding.expires_ms === null ? null : isoMillis(binding.expires_ms),
    },
    rules: rules.map(({ index, pattern, matched, permissionGranted, failedCondition }) => ({
      index,
      pattern,
      matched,
      permission_granted: permissionGranted,
      failed_condition: failedCondition,
    })),
  };
}
