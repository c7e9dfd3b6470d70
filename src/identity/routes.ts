import Type from 'typebox';
import { validationError } from '../contract/errors.ts';
import { parsePartnerId, parseTenantId } from '../contract/names.ts';
import type { Principal, Role } from '../contract/principal.ts';
import { changeRoute, type GuardedRoute, readRoute } from '../contract/route.ts';
import { NoQuery, Nullable, Timestamp } from '../contract/schemas.ts';
import { isoMillis } from '../lib/clock.ts';
import type { IdentityService } from './service.ts';

const ForeignId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
  description: 'An id of the identity provider: a letter or digit, then letters, digits, ".", "_" or "-".',
});

const WhoamiBody = Type.Object({
  identity_id: Type.String({ description: 'For people to read. Rights hang on issuer, tenant and subject.' }),
  identity_key: Type.String({ description: 'What {{identity.key}} stands for in a policy.' }),
  identity_type: Type.Union([Type.Literal('user'), Type.Literal('service_account')]),
  display_name: Type.String(),
  tenant_id: ForeignId,
  partner_id: ForeignId,
  scopes: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  roles: Type.Array(Type.String(), { description: 'Those that count in the tenant of the request.' }),
  mfa_verified_at: Nullable(Timestamp),
  token_expires_at: Timestamp,
});

const NewTenantBody = Type.Object({ tenant_id: ForeignId, partner_id: ForeignId }, { additionalProperties: false });
const TenantBody = Type.Object({ tenant_id: ForeignId, partner_id: ForeignId, created: Type.Boolean() });

export function identityRoutes(service: Pick<IdentityService, 'createTenant'>): GuardedRoute[] {
  return [whoami(), createTenant(service)];
}

function whoami(): GuardedRoute {
  return readRoute({
    method: 'GET',
    path: '/v1/auth/whoami',
    summary: 'Shows who the token says you are, and what it may do here.',
    tag: 'identity',
    category: 'AUTH',
    scope: null,
    authority: { type: 'self' },
    action: 'auth',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'The caller.', schema: WhoamiBody } },
    run: async (call) => ({ status: 200, body: describe(call.principal, await call.roles()) }),
  });
}

function describe(principal: Principal, roles: ReadonlySet<Role>) {
  return {
    identity_id: principal.identityId,
    identity_key: principal.key,
    identity_type: principal.subject.kind,
    display_name: principal.displayName,
    tenant_id: principal.tenantId,
    partner_id: principal.partnerId,
    scopes: [...principal.scopes].sort(),
    groups: principal.groups,
    roles: [...roles].sort(),
    mfa_verified_at: principal.mfaVerifiedAt === null ? null : isoMillis(principal.mfaVerifiedAt),
    token_expires_at: isoMillis(principal.expiresAt),
  };
}

function createTenant(service: Pick<IdentityService, 'createTenant'>): GuardedRoute {
  return changeRoute({
    method: 'POST',
    path: '/v1/identity/tenants',
    summary: 'Makes a tenant, and its partner where that is missing too. A tenant is never moved to another partner.',
    tag: 'identity',
    category: 'IDENTITY_READ',
    scope: 'identity:admin',
    authority: { type: 'role', role: 'super_admin' },
    action: 'tenant_created',
    query: NoQuery,
    body: NewTenantBody,
    responses: {
      200: { description: 'The tenant was there already, under this partner.', schema: TenantBody },
      201: { description: 'The tenant was made.', schema: TenantBody },
    },
    run: async (call) => {
      const tenantId = parseTenantId(call.body.tenant_id);
      const partnerId = parsePartnerId(call.body.partner_id);
      if (tenantId === null) throw validationError({ tenant_id: 'is no legal id' });
      if (partnerId === null) throw validationError({ partner_id: 'is no legal id' });
      return service.createTenant(call.draft, tenantId, partnerId);
    },
    reply: ({ created }, { body }) => ({ status: created ? 201 : 200, body: { ...body, created } }),
  });
}
