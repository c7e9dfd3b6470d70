import { type BindingId, type PolicyId, parseBindingId, parsePolicyId } from '../../contract/names.ts';
import { changeRoute, type Route, readRoute } from '../../contract/route.ts';
import { NoQuery } from '../../contract/schemas.ts';
import { policyAuthority } from '../authority.ts';
import { bindingBody } from '../bodies.ts';
import { readBinding } from '../inputs.ts';
import type { Window } from '../lists/listing.ts';
import { type CursorParts, showPage } from '../lists/pages.ts';
import { BindingBody, BindingInput, BindingsBody, PageQuery } from '../schemas.ts';
import type { PolicyService } from '../service.ts';

type Service = Pick<PolicyService, 'bind' | 'unbind' | 'lists'>;

const policyId = (call: { readonly params: Readonly<Record<string, string>> }): PolicyId =>
  parsePolicyId(call.params.id ?? '');

/** Who a policy counts for. */
export function bindingRoutes(service: Service, cursors: CursorParts): readonly Route[] {
  return [listBindings(service, cursors), bindPolicy(service), unbindPolicy(service)];
}

function listBindings({ lists }: Service, cursors: CursorParts): Route {
  return readRoute({
    method: 'GET',
    path: '/v1/policies/{id}/bindings',
    summary: 'Lists the bindings of a policy, oldest first, expired ones too.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:read',
    authority: policyAuthority('read'),
    action: 'policy_read',
    query: PageQuery,
    body: null,
    responses: { 200: { description: 'A page of bindings.', schema: BindingsBody } },
    run: async (call) => {
      const id = policyId(call);
      const { items, page } = await showPage(
        cursors,
        call,
        `policies/${id}/bindings`,
        (window: Window<BindingId>) => lists.bindings(call, id, window),
        (binding) => binding.id,
      );
      const facts = { resource: `policies/${id}`, extra: { part: 'bindings' } };
      return { status: 200, body: { bindings: items.map(bindingBody), ...page }, facts };
    },
  });
}

function bindPolicy(service: Service): Route {
  return changeRoute({
    method: 'POST',
    path: '/v1/policies/{id}/bindings',
    summary: 'Binds a policy to a user, a service account or a group.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:write',
    authority: policyAuthority('write'),
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
    run: async (call) => service.bind(call, policyId(call), readBinding(call.body)),
    reply: ({ binding, created }) => ({ status: created ? 201 : 200, body: bindingBody(binding) }),
  });
}

function unbindPolicy(service: Service): Route {
  return changeRoute({
    method: 'DELETE',
    path: '/v1/policies/{id}/bindings/{binding_id}',
    summary: 'Removes a binding.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:write',
    authority: policyAuthority('write'),
    action: 'policy_unbind',
    query: NoQuery,
    body: null,
    responses: { 204: { description: 'It is gone.', schema: null } },
    run: async (call) => service.unbind(call, policyId(call), parseBindingId(call.params.binding_id ?? '')),
    reply: () => ({ status: 204, body: undefined }),
  });
}
