import { type PolicyId, parsePolicyId } from '../../contract/names.ts';
import { type Route, readRoute } from '../../contract/route.ts';
import { policyAuthority } from '../authority.ts';
import { summaryBody, versionBody } from '../bodies.ts';
import { HistoryBody, PageQuery, PoliciesBody, PoliciesQuery } from '../schemas.ts';
import type { PolicyListing, Window } from './listing.ts';
import { type CursorParts, showPage } from './pages.ts';

/** Policies of a tenant, and what became of each. */
export function listRoutes(lists: PolicyListing, cursors: CursorParts): readonly Route[] {
  return [listPolicies(lists, cursors), showHistory(lists, cursors)];
}

function listPolicies(lists: PolicyListing, cursors: CursorParts): Route {
  return readRoute({
    method: 'GET',
    path: '/v1/policies',
    summary: 'Lists the policies of the tenant, oldest first.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:read',
    authority: policyAuthority('read'),
    action: 'policy_read',
    query: PoliciesQuery,
    body: null,
    responses: { 200: { description: 'A page of policies.', schema: PoliciesBody } },
    run: async (call) => {
      const { q = null, is_active: active } = call.query;
      const filter = { text: q, isActive: active === undefined ? null : active === 'true' };
      const { items, page } = await showPage(
        cursors,
        call,
        'policies',
        (window: Window<PolicyId>) => lists.policies(call, filter, window),
        (policy) => policy.id,
      );
      return { status: 200, body: { policies: items.map(summaryBody), ...page }, facts: { resource: 'policies' } };
    },
  });
}

function showHistory(lists: PolicyListing, cursors: CursorParts): Route {
  return readRoute({
    method: 'GET',
    path: '/v1/policies/{id}:history',
    summary: 'Every state that a policy has had, newest first; of a deleted policy too.',
    tag: 'policies',
    category: 'POLICY',
    scope: 'policies:read',
    // Not by a rule: it shows what was taken out of a policy, and who did it (spec 00).
    authority: { type: 'role', role: 'tenant_admin' },
    action: 'policy_read',
    query: PageQuery,
    body: null,
    responses: { 200: { description: 'A page of versions.', schema: HistoryBody } },
    run: async (call) => {
      const id = parsePolicyId(call.params.id ?? '');
      const { items, page } = await showPage(
        cursors,
        call,
        `policies/${id}:history`,
        (window: Window<number>) => lists.history(call, id, window),
        (version) => version.version,
      );
      const facts = { resource: `policies/${id}`, extra: { part: 'history' } };
      return { status: 200, body: { versions: items.map(versionBody), ...page }, facts };
    },
  });
}
