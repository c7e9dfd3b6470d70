import { parseTenantId, type TenantId } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Log } from '../telemetry/log.ts';
import { denyTenant } from './refusals.ts';
import type { Tenants } from './tenants.ts';
import type { IdentityConfig, TokenHolder } from './types.ts';

export interface HomeRules {
  readonly tenants: Tenants;
  readonly config: Pick<IdentityConfig, 'claims' | 'defaultTenantId' | 'defaultPartnerId' | 'autocreateMax'>;
  readonly log: Log;
  readonly requestId: string | null;
}

/** The tenant that a token belongs to, by its claim or by default. @throws ApiError `tenant_access_denied` */
export async function homeTenant(holder: TokenHolder, rules: HomeRules): Promise<Tenant> {
  const tenantId = claimedTenant(holder, rules);
  const home = (await rules.tenants.find(tenantId)) ?? (await makeTenant(tenantId, rules));
  // tenant -> partner is immutable: a token that says otherwise is refused, never followed (spec 12).
  if (holder.partnerClaim !== null && holder.partnerClaim !== home.partnerId) {
    rules.log.warn(
      { request_id: rules.requestId, tenant_id: home.tenantId, identity_id: holder.identityId },
      'a token claims another partner for a tenant',
    );
    throw denyTenant('The token names another partner than the one its tenant belongs to.');
  }
  return home;
}

function claimedTenant(holder: TokenHolder, { config }: HomeRules): TenantId {
  const claim = config.claims.tenant.join('/');
  if (holder.tenantClaim === null) {
    if (config.defaultTenantId !== null && config.defaultPartnerId !== null) return config.defaultTenantId;
    throw denyTenant(`The token has no claim "${claim}", and this server has no DEFAULT_TENANT_ID.`);
  }
  const tenantId = parseTenantId(holder.tenantClaim);
  if (tenantId === null) throw denyTenant(`The claim "${claim}" of the token is no legal tenant id.`);
  return tenantId;
}

async function makeTenant(tenantId: TenantId, { tenants, config }: HomeRules): Promise<Tenant> {
  if (config.autocreateMax !== null && config.defaultPartnerId !== null) {
    return tenants.createForToken(tenantId, config.defaultPartnerId, config.autocreateMax);
  }
  throw denyTenant('The token names a tenant that does not exist here.');
}
