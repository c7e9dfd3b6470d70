import { ApiError } from '../contract/errors.ts';
import { parseTenantId } from '../contract/names.ts';
import type { Principal, Role, Tenant } from '../contract/principal.ts';
import { denyTenant } from './refusals.ts';
import type { Tenants } from './tenants.ts';
import type { WantedTenant } from './types.ts';

/**
 * The tenant that a request works in (spec 12, "Choosing the tenant"). One's own may always be named. For another one
 * the role comes first: who holds none learns nothing about what exists.
 *
 * @param rolesAbove the caller's roles that reach beyond its home, looked up only when they matter.
 * @throws ApiError `invalid_request`, `tenant_access_denied`, and for a super_admin only `tenant_not_found`
 */
export async function chooseTenant(
  principal: Principal,
  wanted: WantedTenant,
  tenants: Tenants,
  rolesAbove: () => Promise<ReadonlySet<Role>>,
): Promise<Tenant> {
  if (wanted.prefix !== null && wanted.header !== null && wanted.prefix !== wanted.header) {
    throw new ApiError('invalid_request', {
      message: 'The path and the header X-Tenant-ID name two different tenants.',
    });
  }
  const named = wanted.prefix ?? wanted.header;
  if (named === null || named === principal.tenantId) {
    return { tenantId: principal.tenantId, partnerId: principal.partnerId };
  }
  const roles = await rolesAbove();
  if (!roles.has('super_admin') && !roles.has('partner_admin')) throw denyTenant(NO_ACCESS);
  const tenantId = parseTenantId(named);
  const found = tenantId === null ? null : await tenants.find(tenantId);
  if (roles.has('super_admin')) {
    if (found === null) throw new ApiError('tenant_not_found');
    return found;
  }
  // Unknown and foreign look the same to a partner's administrator.
  if (found?.partnerId !== principal.partnerId) throw denyTenant(NO_ACCESS);
  return found;
}

const NO_ACCESS = 'The token gives no access to the tenant that the request names.';
