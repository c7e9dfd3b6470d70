import { boolean, duration, integer, matching, orWord, secretText, text } from '../kinds/basic.ts';
import { administrator, audience, jsonPointer, partnerId, scopeMap, scopes, tenantId } from '../kinds/identity.ts';
import { url } from '../kinds/network.ts';
import type { Section } from '../variable.ts';

export const IDENTITY = {
  SCAIKEY_URL: {
    kind: url({ schemes: ['https'] }),
    requiredBy: ['serve'],
    meaning:
      "The identity provider's issuer, exactly as its tokens spell it in `iss`: ScaiKey or any OpenID Connect issuer.",
    example: 'https://login.example.com',
  },
  SCAIKEY_JWKS_URL: {
    kind: url({ schemes: ['https'], query: 'allowed' }),
    meaning: "The issuer's keys. Unset: found by discovery.",
    example: 'https://login.example.com/jwks.json',
  },
  SCAIKEY_AUDIENCE: {
    kind: audience,
    meaning:
      'One of these must stand in `aud`. Unset: not checked, but then a token needs a scope and its role claims do not count; `*` accepts any audience, by name.',
    example: 'scaivault',
  },
  SCAIKEY_CLIENT_ID: {
    kind: text,
    meaning: 'For introspection of `skt_` tokens, token exchange and identity sync.',
    example: 'scaivault',
  },
  SCAIKEY_CLIENT_SECRET: { kind: secretText, secret: true, meaning: 'With `SCAIKEY_CLIENT_ID`.', example: 'SECRET' },
  SCAIKEY_CLAIM_TENANT: {
    kind: jsonPointer,
    meaning: 'Where the tenant stands. Unset: `tenant_id`.',
    example: '/org/id',
  },
  SCAIKEY_CLAIM_PARTNER: {
    kind: jsonPointer,
    meaning: 'Where the partner stands. Unset: `partner_id`.',
    example: '/org/partner',
  },
  SCAIKEY_CLAIM_GROUPS: { kind: jsonPointer, meaning: 'Where groups stand. Unset: `groups`.', example: '/memberOf' },
  SCAIKEY_CLAIM_ROLES: {
    kind: jsonPointer,
    meaning: 'Where roles stand. Unset: `role` and `roles`.',
    example: '/realm_access/roles',
  },
  SCAIKEY_CLAIM_SCOPE: { kind: jsonPointer, meaning: 'Where scopes stand. Unset: `scope`.', example: '/scp' },
  SCAIKEY_CLAIM_EMAIL: {
    kind: jsonPointer,
    meaning: 'Where the e-mail address stands. Unset: `email`.',
    example: '/mail',
  },
  SCAIKEY_CLAIM_MFA: {
    kind: jsonPointer,
    meaning: 'Where the time of the second factor stands. Unset: `mfa_verified_at`, or `amr` with `auth_time`.',
    example: '/mfa/time',
  },
  SCAIKEY_DEFAULT_SCOPES: {
    kind: scopes,
    meaning: 'Scopes of a token that has no scope claim. Unset: none.',
    example: 'secrets:read secrets:list',
  },
  SCAIKEY_SCOPE_MAP: {
    kind: scopeMap,
    meaning: 'For a provider that cannot mint our scopes: its names to ours.',
    example: '{"vault.read":["secrets:read","secrets:list"]}',
  },
  SCAIKEY_TRUST_ROLE_CLAIMS: {
    kind: boolean,
    default: 'false',
    meaning: 'Whether role claims of an issuer other than ScaiKey count.',
    example: 'true',
  },
  SCAIKEY_WEBHOOK_SECRET: {
    kind: matching('a text of at least 16 characters', /^.{16,}$/),
    secret: true,
    meaning: "Signs ScaiKey's webhooks. Unset: they are refused.",
    example: 'SECRET-OF-16-OR-MORE',
  },
  IDENTITY_SYNC_INTERVAL: {
    kind: orWord(duration('1m', '24d'), 'off'),
    default: '1h',
    meaning: 'How often the identity cache is compared with ScaiKey.',
    example: '1h',
  },
  DEFAULT_TENANT_ID: {
    kind: tenantId,
    meaning: 'Tenant of a token without a tenant claim, with `DEFAULT_PARTNER_ID`. Unset: such a token is refused.',
    example: 'tnt_main',
  },
  DEFAULT_PARTNER_ID: {
    kind: partnerId,
    meaning: 'Partner of `DEFAULT_TENANT_ID` and of tenants that `TENANT_AUTOCREATE` makes.',
    example: 'ptn_main',
  },
  TENANT_AUTOCREATE: {
    kind: boolean,
    default: 'false',
    meaning: 'Whether a valid token that names an unknown tenant creates it, under `DEFAULT_PARTNER_ID`.',
    example: 'true',
  },
  TENANT_AUTOCREATE_MAX: {
    kind: integer(1, 1_000_000),
    default: '100',
    meaning: 'At most so many tenants come to exist that way.',
    example: '100',
  },
  BOOTSTRAP_SUPER_ADMIN: {
    kind: administrator,
    meaning: 'Becomes super_admin, once in the life of the database. Recommended: `sub:ID`.',
    example: 'sub:usr_01hk7x9z',
  },
  BOOTSTRAP_SUPER_ADMIN_TENANT: {
    kind: tenantId,
    meaning: 'The tenant whose issuer may name the first super_admin by e-mail.',
    example: 'tnt_main',
  },
} as const satisfies Section;
