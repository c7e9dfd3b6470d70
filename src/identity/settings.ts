import type { SettingsFor } from '../config/variables.ts';
import { DEFAULT_PATHS } from './claims.ts';
import type { AudienceRule, IdentityConfig } from './types.ts';

type IdentityVariables = Pick<
  SettingsFor<'serve'>,
  | 'SCAIKEY_URL'
  | 'SCAIKEY_AUDIENCE'
  | 'SCAIKEY_TRUST_ROLE_CLAIMS'
  | 'SCAIKEY_CLAIM_TENANT'
  | 'SCAIKEY_CLAIM_PARTNER'
  | 'SCAIKEY_CLAIM_GROUPS'
  | 'SCAIKEY_CLAIM_ROLES'
  | 'SCAIKEY_CLAIM_SCOPE'
  | 'SCAIKEY_CLAIM_EMAIL'
  | 'SCAIKEY_CLAIM_MFA'
  | 'SCAIKEY_SCOPE_MAP'
  | 'SCAIKEY_DEFAULT_SCOPES'
  | 'DEFAULT_TENANT_ID'
  | 'DEFAULT_PARTNER_ID'
  | 'TENANT_AUTOCREATE'
  | 'TENANT_AUTOCREATE_MAX'
  | 'BOOTSTRAP_SUPER_ADMIN'
  | 'BOOTSTRAP_SUPER_ADMIN_TENANT'
>;

/** What this room needs, out of the environment's variables. */
export function identitySettings(env: IdentityVariables): IdentityConfig {
  const administrator = env.BOOTSTRAP_SUPER_ADMIN;
  const tenantId = env.BOOTSTRAP_SUPER_ADMIN_TENANT ?? null;
  return {
    issuer: env.SCAIKEY_URL,
    audience: audienceRule(env.SCAIKEY_AUDIENCE),
    trustRoleClaims: env.SCAIKEY_TRUST_ROLE_CLAIMS,
    claims: {
      tenant: env.SCAIKEY_CLAIM_TENANT ?? DEFAULT_PATHS.tenant,
      partner: env.SCAIKEY_CLAIM_PARTNER ?? DEFAULT_PATHS.partner,
      groups: env.SCAIKEY_CLAIM_GROUPS ?? DEFAULT_PATHS.groups,
      roles: env.SCAIKEY_CLAIM_ROLES === undefined ? DEFAULT_PATHS.roles : [env.SCAIKEY_CLAIM_ROLES],
      scope: env.SCAIKEY_CLAIM_SCOPE ?? DEFAULT_PATHS.scope,
      email: env.SCAIKEY_CLAIM_EMAIL ?? DEFAULT_PATHS.email,
      mfa: env.SCAIKEY_CLAIM_MFA ?? DEFAULT_PATHS.mfa,
    },
    scopeMap: env.SCAIKEY_SCOPE_MAP ?? {},
    defaultScopes: env.SCAIKEY_DEFAULT_SCOPES ?? [],
    defaultTenantId: env.DEFAULT_TENANT_ID ?? null,
    defaultPartnerId: env.DEFAULT_PARTNER_ID ?? null,
    autocreateMax: env.TENANT_AUTOCREATE ? env.TENANT_AUTOCREATE_MAX : null,
    firstSuperAdmin: administrator === undefined ? null : { ...administrator, tenantId },
  };
}

function audienceRule(names: readonly string[] | undefined): AudienceRule {
  if (names === undefined || names.length === 0) return 'unset';
  return names.includes('*') ? 'any' : names;
}
