import type Type from 'typebox';
import { validationError } from '../contract/errors.ts';
import { parsePolicyId, parsePolicyName } from '../contract/names.ts';
import type { Permission } from '../contract/permissions.ts';
import { type Authority, changeRoute, type Route, readRoute } from '../contract/route.ts';
import { NoQuery } from '../contract/schemas.ts';
import { isoMillis } from '../lib/clock.ts';
import { BindingBody, BindingInput, PolicyBody, PolicyInput } from './schemas.ts';
import type { PolicyService } from './service.ts';
import type { Binding, NewBinding, NewPolicy, PolicyDocument } from './types.ts';

/** The HTTP face of policies (spec 04 "Policies"). */
export function policyRoutes(service: Pick<PolicyService, 'create' | 'read' | 'bind'>): Route[] {
  return [createPolicy(service), readPolicy(service), bindPolicy(service)];
}

/** A role of the tenant, or a rule of kind `sys` on `policies` (spec 12, "Every route names its authority"). */
const authority = (permission: Permission): Authority => ({
  type: 'role',
  role: 'tenant_admin',
  sys: { path: 'policies', permission },
});

function createPolicy(service: Pick<PolicyService, 'create'>): Route {
  return changeRoute({
    method: 'POST',
    path: '/v1/policies',
    summary: 'Creates a policy. It gives nothing to anybody until it is bound.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:write',
    authority: authority('write'),
    action: 'policy_create',
    query: NoQuery,
    body: PolicyInput,
    responses: { 201: { description: 'The policy.', schema: PolicyBody } },
    run: (call) => service.create(call, readPolicyInput(call.body)),
    reply: (policy) => ({ status: 201, body: policyBody(policy), headers: { ETag: etag(policy) } }),
  });
}

function readPolicy(service: Pick<PolicyService, 'read'>): Route {
  return readRoute({
    method: 'GET',
    path: '/v1/policies/{id}',
    summary: 'Shows a policy.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:read',
    authority: authority('read'),
    action: 'policy_read',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'The policy.', schema: PolicyBody } },
    run: async (call) => {
      const policy = await service.read(call, parsePolicyId(call.params.id ?? ''));
      const facts = { resource: `policies/${policy.id}`, extra: { policy_version: policy.version } };
      return { status: 200, body: policyBody(policy), headers: { ETag: etag(policy) }, facts };
    },
  });
}

function bindPolicy(service: Pick<PolicyService, 'bind'>): Route {
  return changeRoute({
    method: 'POST',
    path: '/v1/policies/{id}/bindings',
    summary: 'Binds a policy to a user, a service account or a group.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:write',
    authority: authority('write'),
    action: 'policy_bind',
    query: NoQuery,
    body: BindingInput,
    responses: {
      200: {
        description: 'The policy was bound to this subject before; the binding has its new end.',
        schema: BindingBody,
      },
      201: { description: 'The binding.', schema: BindingBody },
    },
    run: async (call) => service.bind(call, parsePolicyId(call.params.id ?? ''), readBindingInput(call.body)),
    reply: ({ binding, created }) => ({ status: created ? 201 : 200, body: bindingBody(binding) }),
  });
}

function readPolicyInput(body: Type.Static<typeof PolicyInput>): NewPolicy {
  const name = parsePolicyName(body.name);
  if (name === null) {
    throw validationError({ name: 'a letter or digit, then a-z, 0-9, ".", "_" and "-", at most 128 characters' });
  }
  const rules = body.rules.map(({ path_pattern, permissions, effect, kind }) => ({
    path_pattern,
    permissions,
    effect: effect ?? ('allow' as const),
    kind: kind ?? ('secret' as const),
  }));
  return { name, description: body.description ?? '', isActive: body.is_active ?? true, rules };
}

/** Ids that say what they are the id of (spec 04 "Tokens"). */
const ID_PREFIXES = { user: ['user:', 'usr_'], service_account: ['sa:'], group: ['group:', 'grp_'] } as const;

function readBindingInput(body: Type.Static<typeof BindingInput>): NewBinding {
  const { identity_type: identityType, identity_id: identityId } = body;
  const prefixes = ID_PREFIXES[identityType];
  if (!prefixes.some((prefix) => identityId.startsWith(prefix) && identityId.length > prefix.length)) {
    const forms = prefixes.map((prefix) => `"${prefix}..."`).join(' or ');
    throw validationError({ identity_id: `for identity_type ${identityType} write ${forms}` });
  }
  return { identityType, identityId, expiresAt: readTime(body.expires_at ?? null) };
}

const UTC_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z$/;

/** ISO 8601 UTC. The round trip refuses 30 February, which `Date` would take for 1 March. */
function readTime(text: string | null): Date | null {
  if (text === null) return null;
  const time = new Date(text);
  const legal =
    UTC_TIME.test(text) && !Number.isNaN(time.getTime()) && isoMillis(time.getTime()).startsWith(text.slice(0, 19));
  if (!legal) throw validationError({ expires_at: 'must be a time in UTC, like 2027-01-31T12:00:00Z' });
  return time;
}

const etag = (policy: PolicyDocument) => `"${policy.version}"`;

function policyBody(policy: PolicyDocument) {
  return {
    id: policy.id,
    name: policy.name,
    description: policy.description,
    scope: policy.scope,
    is_active: policy.isActive,
    version: policy.version,
    rules: policy.rules.map(inOrder),
    created_at: isoMillis(policy.createdAt.getTime()),
    updated_at: isoMillis(policy.updatedAt.getTime()),
    warnings: policy.warnings,
  };
}

/** `jsonb` gives members back in an order of its own; people read the path first. */
function inOrder(rule: unknown): unknown {
  const order = { path_pattern: undefined, permissions: undefined, effect: undefined, kind: undefined };
  return typeof rule === 'object' && rule !== null ? { ...order, ...rule } : rule;
}

function bindingBody(binding: Binding) {
  const { subject } = binding;
  return {
    id: binding.id,
    policy_id: binding.policyId,
    identity_type: subject.kind,
    identity_id: binding.identityId,
    subject: { issuer: subject.issuer, tenant_id: subject.tenantId, id: subject.id },
    expires_at: binding.expiresAt === null ? null : isoMillis(binding.expiresAt.getTime()),
    created_at: isoMillis(binding.createdAt.getTime()),
  };
}
