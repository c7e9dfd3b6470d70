import type { Role } from '../contract/principal.ts';
import { isScope, type Scope } from '../contract/scopes.ts';
import { claimAt, isText, textAt, textsAt, timeAt } from './claim-values.ts';
import { refuseToken } from './refusals.ts';
import { readSubject } from './subject-claims.ts';
import { CLOCK_SKEW_SECONDS } from './token.ts';
import type { ClaimPath, ClaimPaths, Claims, IdentityConfig, TokenHolder, VerifiedToken } from './types.ts';

const MAX_GROUPS = 500;
const MAX_SCOPES = 200;
const MAX_ROLES = 100;
const MAX_AMR = 32;
const MAX_SCOPE_TEXT = 8 * 1024;

/** The roles that a claim may name, exactly (spec 12); `auditor` is given locally only. */
const CLAIMABLE_ROLES: readonly Role[] = ['tenant_admin', 'partner_admin', 'super_admin'];
/** Authentication methods (RFC 8176) that mean a second factor or a key in hardware. */
const SECOND_FACTORS: ReadonlySet<string> = new Set(['mfa', 'otp', 'hwk', 'swk', 'sc']);

export const DEFAULT_PATHS: ClaimPaths = {
  tenant: ['tenant_id'],
  partner: ['partner_id'],
  groups: ['groups'],
  roles: [['role'], ['roles']],
  scope: ['scope'],
  email: ['email'],
  mfa: ['mfa_verified_at'],
};

type Rules = Pick<IdentityConfig, 'audience' | 'trustRoleClaims' | 'claims' | 'scopeMap' | 'defaultScopes'>;

/**
 * Reads who holds a verified token and what it claims for them. Nothing is looked up here.
 * @throws ApiError `token_invalid` when a claim is of the wrong type, too large, or contradicts another.
 */
export function readClaims(token: VerifiedToken, rules: Rules, nowMs: number): TokenHolder {
  const { claims, issuer } = token;
  const paths = rules.claims;
  const tenantClaim = textAt(claims, paths.tenant);
  // The key of a tenant's own issuer speaks for that tenant only.
  if (issuer.tenantId !== null && tenantClaim !== issuer.tenantId) {
    throw refuseToken('its issuer belongs to another tenant than its tenant claim');
  }
  return {
    issuer,
    ...readSubject(claims, paths.email),
    tenantClaim,
    partnerClaim: textAt(claims, paths.partner),
    scopes: readScopes(claims, rules),
    groups: textsAt(claims, paths.groups, MAX_GROUPS) ?? [],
    claimedRoles: readRoles(token, rules),
    mfaVerifiedAt: readMfa(claims, paths.mfa, nowMs),
    expiresAt: Math.floor(token.exp * 1000),
    onBehalfOf: readActor(claims),
  };
}

function readScopes(claims: Claims, rules: Rules): ReadonlySet<Scope> {
  const named = scopeNames(claims, rules.claims.scope);
  // Without an audience only our own words show that a token was made for us (spec 12).
  if (rules.audience === 'unset' && !named?.some(isScope)) {
    throw refuseToken('SCAIKEY_AUDIENCE is not set and the token carries none of our scopes');
  }
  if (named === null) return new Set(rules.defaultScopes);
  return new Set(named.flatMap((name) => (isScope(name) ? [name] : mapped(rules, name))));
}

/** A name from a token must not find what every object has (`constructor`). */
function mapped(rules: Rules, name: string): readonly Scope[] {
  return Object.hasOwn(rules.scopeMap, name) ? (rules.scopeMap[name] ?? []) : [];
}

/** Space-separated as in RFC 8693 section 4.2, or a list; null when the token has no such claim. */
function scopeNames(claims: Claims, path: ClaimPath): readonly string[] | null {
  const value = claimAt(claims, path);
  if (value === undefined) return null;
  if (typeof value !== 'string') return textsAt(claims, path, MAX_SCOPES);
  const names = value.split(' ').filter((name) => name !== '');
  if (value.length > MAX_SCOPE_TEXT || names.length > MAX_SCOPES) throw refuseToken('it carries too many scopes');
  return names;
}

function readRoles(token: VerifiedToken, rules: Rules): ReadonlySet<Role> {
  const named = new Set(rules.claims.roles.flatMap((path) => textsAt(token.claims, path, MAX_ROLES) ?? []));
  const believed = rules.audience !== 'unset' && (token.scaiKey || rules.trustRoleClaims);
  if (!believed) return new Set();
  // The issuer of one tenant cannot make somebody who stands above all tenants.
  const allowed = CLAIMABLE_ROLES.filter((role) => role !== 'super_admin' || token.issuer.tenantId === null);
  return new Set(allowed.filter((role) => named.has(role)));
}

/** When the second factor was shown, or null. A time that is still to come proves nothing. */
function readMfa(claims: Claims, path: ClaimPath, nowMs: number): number | null {
  const methods = textsAt(claims, ['amr'], MAX_AMR) ?? [];
  const signedIn = timeAt(claims, ['auth_time']);
  const shown = timeAt(claims, path) ?? (methods.some((method) => SECOND_FACTORS.has(method)) ? signedIn : null);
  return shown !== null && shown <= nowMs + CLOCK_SKEW_SECONDS * 1000 ? shown : null;
}

/** The acting party (RFC 8693 section 4.1). Any `act` at all counts: such a token exercises no role. */
function readActor(claims: Claims): string | null {
  if (!Object.hasOwn(claims, 'act')) return null;
  const act = claims.act;
  if (typeof act !== 'object' || act === null || Array.isArray(act)) throw refuseToken('claim act is not an object');
  const name = claimAt(claims, ['act', 'sub']) ?? claimAt(claims, ['act', 'client_id']);
  if (name !== undefined && !isText(name)) throw refuseToken('claim act names nobody');
  return name ?? 'unnamed';
}
