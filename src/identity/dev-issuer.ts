import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import type { PartnerId, TenantId } from '../contract/names.ts';
import type { Principal, Tenant } from '../contract/principal.ts';
import { SCOPES } from '../contract/scopes.ts';
import type { Clock } from '../lib/clock.ts';
import { DEFAULT_PATHS } from './claims.ts';
import { devKey } from './dev-key.ts';
import type { IdentityService } from './service.ts';
import { staticKeys } from './static-keys.ts';
import type { IdentityConfig, KeySource } from './types.ts';

const ISSUER = 'http://scaivault.dev/dev';
const AUDIENCE = 'scaivault';
const TENANT: Tenant = { tenantId: 'tnt_dev' as TenantId, partnerId: 'ptn_dev' as PartnerId };
const TOKEN_SECONDS = 30 * 24 * 3600;
const MAX_TENANTS = 100;

/** The identity provider of `serve --dev`: in this process, for one user. Nothing outside can reach it. */
export interface DevIssuer {
  readonly config: IdentityConfig;
  readonly keySource: KeySource;
  /** A token of `user:dev@localhost` with every scope, good for 30 days. */
  mint(): Promise<string>;
}

/** @param directory where the issuer's key is kept, mode 0600; null keeps nothing. @throws Error with a hint */
export async function openDevIssuer(directory: string | null, clock: Clock): Promise<DevIssuer> {
  const key = await devKey(directory);
  const jwk = await exportJWK(createPublicKey(key));
  const kid = await calculateJwkThumbprint(jwk);
  return {
    config: DEV_CONFIG,
    keySource: staticKeys(ISSUER, { keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] }),
    mint: () => {
      const now = Math.floor(clock.nowMs() / 1000);
      return new SignJWT(DEV_CLAIMS)
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid })
        .setIssuedAt(now)
        .setExpirationTime(now + TOKEN_SECONDS)
        .sign(key);
    },
  };
}

/**
 * Makes what a first secret needs, as far as it is missing: partner, tenant, user and the role `tenant_admin`, audited.
 * @param token from {@link DevIssuer.mint}
 */
export async function ensureDevIdentity(
  service: IdentityService,
  token: string,
): Promise<{ readonly principal: Principal; readonly tenant: Tenant }> {
  await service.ensureDefaultTenant();
  const entered = await service.enter(await service.authenticate(token), { prefix: null, header: null });
  await service.grantRole(entered.principal.subject, 'tenant_admin', 'serve --dev');
  return entered;
}

const DEV_CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'dev',
  name: 'Developer',
  email: 'dev@localhost',
  email_verified: true,
  tenant_id: TENANT.tenantId,
  partner_id: TENANT.partnerId,
  scope: SCOPES.join(' '),
};

const DEV_CONFIG: IdentityConfig = {
  issuer: ISSUER,
  audience: [AUDIENCE],
  trustRoleClaims: false,
  claims: DEFAULT_PATHS,
  scopeMap: {},
  defaultScopes: [],
  defaultTenantId: TENANT.tenantId,
  defaultPartnerId: TENANT.partnerId,
  autocreateMax: MAX_TENANTS,
  firstSuperAdmin: null,
};
