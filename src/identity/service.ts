import type { AuditService } from '../audit/service.ts';
import type { AuditDraft } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { PartnerId, TenantId } from '../contract/names.ts';
import type { Principal, Role, Subject, SubjectKind, Tenant } from '../contract/principal.ts';
import type { Committed } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import type { Log } from '../telemetry/log.ts';
import { chooseTenant } from './chosen-tenant.ts';
import { readClaims } from './claims.ts';
import { createFirstSuperAdmin } from './first-super-admin.ts';
import { homeTenant } from './home-tenant.ts';
import { identityKey } from './identity-key.ts';
import { toPrincipal } from './principal.ts';
import { type ResolvedIdentity, resolveIdentity } from './resolve.ts';
import { createRoles } from './roles.ts';
import { createSeenIdentities } from './seen-identities.ts';
import { type CreatedTenant, createTenants } from './tenants.ts';
import { verifyToken } from './token.ts';
import type { IdentityConfig, KeySource, TokenHolder, WantedTenant } from './types.ts';
import { verifiedTokens } from './verified-tokens.ts';

export type { ResolvedIdentity } from './resolve.ts';
export type { CreatedTenant } from './tenants.ts';
export type { IdentityConfig, KeySource, TokenHolder, WantedTenant } from './types.ts';

export interface IdentityServiceOptions {
  readonly db: Database;
  readonly audit: AuditService;
  readonly clock: Clock;
  readonly config: IdentityConfig;
  readonly keySource: KeySource;
  readonly log: Log;
}

/** Who is asking, in which tenant, with which roles (spec 04, pipeline stages 3 and 4). */
export interface IdentityService {
  /**
   * Stage 3: the holder of a bearer token. Touches no database but for tokens of a tenant's own issuer.
   * @param bearer what follows `Bearer `, or null when there is none.
   * @throws ApiError `authentication_required`, `token_invalid`, `token_expired`, `service_unavailable`
   */
  authenticate(bearer: string | null): Promise<TokenHolder>;
  /**
   * Stage 4: the caller and the tenant it works in.
   * @param requestId for the log
   * @throws ApiError `tenant_access_denied`, `tenant_not_found` (for a super_admin only), `invalid_request`
   */
  enter(
    holder: TokenHolder,
    wanted: WantedTenant,
    requestId?: string | null,
  ): Promise<{ readonly principal: Principal; readonly tenant: Tenant }>;
  /** The caller's roles that count in a tenant; up to a second old. */
  effectiveRoles(principal: Principal, tenant: Tenant): Promise<ReadonlySet<Role>>;
  /** @throws ApiError `identity_not_found`, `validation_error`: see {@link resolveIdentity} */
  resolve(tenant: Tenant, kind: SubjectKind, identityId: string): Promise<ResolvedIdentity>;
  /** What `{{identity.key}}` of a policy stands for when this subject asks. */
  keyOf(subject: Subject): string;
  /** The tenant, or null when it is not known. */
  findTenant(tenantId: TenantId): Promise<Tenant | null>;
  /** @throws ApiError `name_taken` when the tenant belongs to another partner. */
  createTenant(draft: AuditDraft, tenantId: TenantId, partnerId: PartnerId): Promise<Committed<CreatedTenant>>;
  /** Makes `DEFAULT_TENANT_ID`, if it is configured and missing. @throws Error when it has another partner */
  ensureDefaultTenant(): Promise<void>;
  /** Grants a role for which no request asked (development set-up). */
  grantRole(subject: Subject, role: Role, by: string): Promise<void>;
  close(): Promise<void>;
}

export function createIdentityService(options: IdentityServiceOptions): IdentityService {
  const { db, clock, config, keySource, log } = options;
  const tenants = createTenants(options);
  const roles = createRoles(options);
  const seen = createSeenIdentities(db);
  const firstSuperAdmin = createFirstSuperAdmin({ ...options, rule: config.firstSuperAdmin });
  const verified = verifiedTokens(clock);
  // The holder of a remembered token is the same object at each request, and a home never changes partner: the key that
  // has to be hashed is hashed once a token rather than once a request.
  const principals = new WeakMap<TokenHolder, Principal>();
  const principalOf = (holder: TokenHolder, home: Tenant): Principal => {
    const known = principals.get(holder);
    if (known !== undefined) return known;
    const made = toPrincipal(holder, home, config.issuer);
    principals.set(holder, made);
    return made;
  };
  const tokenRules = {
    issuer: config.issuer,
    audience: config.audience,
    keySource,
    clock,
    knowsTenant: async (tenantId: TenantId) => (await tenants.find(tenantId)) !== null,
  };

  return {
    authenticate: async (bearer) => {
      if (bearer === null || bearer === '') throw new ApiError('authentication_required');
      if (bearer.startsWith('skt_')) throw new ApiError('token_invalid', { message: NO_INTROSPECTION });
      const known = verified.get(bearer);
      if (known !== null) return known;
      const holder = readClaims(await verifyToken(bearer, tokenRules), config, clock.nowMs());
      verified.set(bearer, holder);
      return holder;
    },
    enter: async (holder, wanted, requestId = null) => {
      const home = await homeTenant(holder, { tenants, config, log, requestId });
      const principal = principalOf(holder, home);
      await seen.note(holder, principal);
      if (await firstSuperAdmin.consider(holder, principal, requestId)) roles.forget(principal.subject);
      const tenant = await chooseTenant(principal, wanted, tenants, () => roles.held(principal));
      return { principal, tenant };
    },
    effectiveRoles: roles.effective,
    resolve: (tenant, kind, identityId) => resolveIdentity(db, config.issuer, tenant, kind, identityId),
    keyOf: (subject) => identityKey(subject, config.issuer),
    findTenant: tenants.find,
    createTenant: tenants.create,
    ensureDefaultTenant: async () => {
      const { defaultTenantId: tenantId, defaultPartnerId: partnerId } = config;
      if (tenantId !== null && partnerId !== null) await tenants.declare({ tenantId, partnerId });
    },
    grantRole: roles.grant,
    close: () => keySource.close(),
  };
}

const NO_INTROSPECTION =
  'This release does not take personal access tokens (skt_...): it cannot ask the identity provider about them yet, ' +
  'with or without SCAIKEY_CLIENT_ID and SCAIKEY_CLIENT_SECRET. Send a JWT access token.';
