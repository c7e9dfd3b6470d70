import { parsePolicyId } from '../contract/names.ts';
import { changeRoute, type Route, readRoute } from '../contract/route.ts';
import { NoQuery } from '../contract/schemas.ts';
import { policyAuthority } from './authority.ts';
import { bindingRoutes } from './bindings/routes.ts';
import { policyBody } from './bodies.ts';
import { readPatch, readPolicy, readSeenVersion } from './inputs.ts';
import type { CursorParts } from './lists/pages.ts';
import { listRoutes } from './lists/routes.ts';
import {
  DeleteQuery,
  PolicyBody,
  PolicyInput,
  PolicyPatchInput,
  ReplacedPolicyBody,
  RollbackInput,
} from './schemas.ts';
import type { PolicyService } from './service.ts';
import type { PolicyDocument } from './types.ts';

type Service = Pick<PolicyService, 'create' | 'read' | 'update' | 'rollback' | 'remove' | 'bind' | 'unbind' | 'lists'>;

/** The HTTP face of policies (spec 04 "Policies"). */
export function policyRoutes(service: Service, cursors: CursorParts): readonly Route[] {
  return [
    createPolicy(service),
    showPolicy(service),
    replacePolicy(service),
    patchPolicy(service),
    deletePolicy(service),
    rollBackPolicy(service),
    ...listRoutes(service.lists, cursors),
    ...bindingRoutes(service, cursors),
  ];
}

/** What all changes of policies share. */
const change = {
  tag: 'policies',
  category: 'POLICY',
  scope: 'policies:write',
  authority: policyAuthority('write'),
  query: NoQuery,
} as const;

const idOf = (call: { readonly params: Readonly<Record<string, string>> }) => parsePolicyId(call.params.id ?? '');
const etag = (policy: PolicyDocument) => ({ ETag: `"${policy.version}"` });

function createPolicy(service: Service): Route {
  return changeRoute({
    ...change,
    method: 'POST',
    path: '/v1/policies',
    summary: 'Creates a policy. It gives nothing to anybody until it is bound.',
    action: 'policy_create',
    body: PolicyInput,
    responses: { 201: { description: 'The policy.', schema: PolicyBody } },
    run: (call) => service.create(call, readPolicy(call.body)),
    reply: (policy) => ({ status: 201, body: policyBody(policy), headers: etag(policy) }),
  });
}

function showPolicy(service: Service): Route {
  return readRoute({
    method: 'GET',
    path: '/v1/policies/{id}',
    summary: 'Shows a policy.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:read',
    authority: policyAuthority('read'),
    action: 'policy_read',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'The policy.', schema: PolicyBody } },
    run: async (call) => {
      const policy = await service.read(call, idOf(call));
      const facts = { resource: `policies/${policy.id}`, extra: { policy_version: policy.version } };
      return { status: 200, body: policyBody(policy), headers: etag(policy), facts };
    },
  });
}

function replacePolicy(service: Service): Route {
  return changeRoute({
    ...change,
    method: 'PUT',
    path: '/v1/policies/{id}',
    summary: 'Replaces a policy. What is left out gets its default. Bindings stay. Honours If-Match.',
    action: 'policy_update',
    body: PolicyInput,
    responses: { 200: { description: 'The policy.', schema: ReplacedPolicyBody } },
    run: async (call) => service.update(call, idOf(call), readPolicy(call.body), readSeenVersion(call)),
    reply: (policy) => ({ status: 200, body: { ...policyBody(policy), created: false }, headers: etag(policy) }),
  });
}

function patchPolicy(service: Service): Route {
  return changeRoute({
    ...change,
    method: 'PATCH',
    path: '/v1/policies/{id}',
    summary: 'Changes what is named and leaves the rest; rules are replaced as a whole. Honours If-Match.',
    action: 'policy_update',
    body: PolicyPatchInput,
    responses: { 200: { description: 'The policy.', schema: PolicyBody } },
    run: async (call) => service.update(call, idOf(call), readPatch(call.body), readSeenVersion(call)),
    reply: (policy) => ({ status: 200, body: policyBody(policy), headers: etag(policy) }),
  });
}

function deletePolicy(service: Service): Route {
  return changeRoute({
    ...change,
    method: 'DELETE',
    path: '/v1/policies/{id}',
    summary: 'Deletes a policy, with ?force=true also its bindings. Its history stays. Honours If-Match.',
    action: 'policy_delete',
    query: DeleteQuery,
    body: null,
    responses: { 204: { description: 'It is gone.', schema: null } },
    run: async (call) => service.remove(call, idOf(call), call.query.force === 'true', readSeenVersion(call)),
    reply: () => ({ status: 204, body: undefined }),
  });
}

function rollBackPolicy(service: Service): Route {
  return changeRoute({
    ...change,
    method: 'POST',
    path: '/v1/policies/{id}:rollback',
    summary: 'Makes a new version of a policy out of a former one. Bindings stay. Honours If-Match.',
    action: 'policy_update',
    body: RollbackInput,
    responses: { 200: { description: 'The policy.', schema: PolicyBody } },
    run: async (call) => service.rollback(call, idOf(call), call.body.version, readSeenVersion(call)),
    reply: (policy) => ({ status: 200, body: policyBody(policy), headers: etag(policy) }),
  });
}
