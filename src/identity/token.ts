import { createHash } from 'node:crypto';
import { errors, type JWTHeaderParameters, jwtVerify } from 'jose';
import { ApiError } from '../contract/errors.ts';
import { parseTenantId, type TenantId } from '../contract/names.ts';
import type { Clock } from '../lib/clock.ts';
import { NotStrictJson, parseStrictJson } from '../lib/strict-json.ts';
import { isText } from './claim-values.ts';
import { refuseToken } from './refusals.ts';
import type { AcceptedIssuer, AudienceRule, Claims, IssuerKey, KeySource, VerifiedToken } from './types.ts';

export const MAX_TOKEN_BYTES = 16 * 1024;
export const CLOCK_SKEW_SECONDS = 60;

/** Asymmetric only: an HMAC "signature" made with the public key as its secret can never verify. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
/** Media types of access tokens (RFC 7515 section 4.1.9, RFC 9068 section 2.1), lower case, without `application/`. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt']);
/** Marks of tokens made for something else: ID tokens (OpenID Connect Core 2) and security events (RFC 8417). */
const FOREIGN_MARKS = ['nonce', 'at_hash', 'events'] as const;

const COMPACT_JWS = /^([\w-]+)\.([\w-]+)\.[\w-]+$/;

export interface TokenRules {
  readonly issuer: string;
  readonly audience: AudienceRule;
  readonly keySource: KeySource;
  readonly clock: Clock;
  /** The issuer of a tenant is accepted only when the tenant exists here. */
  readonly knowsTenant: (tenantId: TenantId) => Promise<boolean>;
}

/** The name under which a verified token is remembered: never its text. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/**
 * Verifies one JWT access token (RFC 7519, RFC 9068): form, type, issuer, signature, times and audience.
 * `jku`, `x5u`, `jwk` and `x5c` in its header are never looked at: keys come from the issuer's own set.
 * @throws ApiError `token_invalid`, `token_expired`, or `service_unavailable` when the issuer cannot be asked.
 */
export async function verifyToken(token: string, rules: TokenRules): Promise<VerifiedToken> {
  const { header, claims } = takeApart(token);
  checkHeader(header);
  const issuer = await acceptedIssuer(claims.iss, rules);
  const found = await rules.keySource.find(issuer.issuer, header);
  if (found === null) throw refuseToken('no key of its issuer fits its "kid" and "alg"');
  const exp = await checkSignatureAndTimes(token, found, rules);
  checkPurpose(claims);
  return { issuer, scaiKey: found.scaiKey, claims, exp };
}

// Claims are flat, or nearly so.
const MAX_DEPTH = 16;

/** Reads header and claims, not yet verified, from the very bytes that the signature covers. */
function takeApart(token: string): { header: JWTHeaderParameters; claims: Claims } {
  if (token.length > MAX_TOKEN_BYTES) throw refuseToken(`it is longer than ${MAX_TOKEN_BYTES} bytes`);
  const parts = COMPACT_JWS.exec(token);
  if (parts === null) throw refuseToken('it is not a signed JWT');
  return { header: readPart(parts[1], 'header') as JWTHeaderParameters, claims: readPart(parts[2], 'claims') };
}

function readPart(part: string | undefined, name: string): Claims {
  const value = readJson(Buffer.from(part ?? '', 'base64url'), name);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Claims;
  throw refuseToken(`its ${name}: not a JSON object`);
}

function readJson(bytes: Buffer, name: string): unknown {
  try {
    return parseStrictJson(bytes, MAX_DEPTH);
  } catch (error) {
    if (error instanceof NotStrictJson) throw refuseToken(`its ${name}: ${error.message}`);
    throw error;
  }
}

function checkHeader(header: JWTHeaderParameters): void {
  if (!ALGORITHMS.includes(header.alg)) throw refuseToken('its "alg" is not one of the accepted ones');
  // RFC 7515 section 4.1.11: extensions that must be understood. We know none, not even RFC 7797's "b64".
  if (Object.hasOwn(header, 'crit')) throw refuseToken('its header has "crit"');
  if (Object.hasOwn(header, 'kid') && !isText(header.kid)) throw refuseToken('its "kid" is not a text');
  if (!Object.hasOwn(header, 'typ')) return;
  const typ: unknown = header.typ;
  const bare = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : '';
  if (!TYPES.has(bare)) throw refuseToken('its "typ" is not that of an access token');
}

/** Compared byte for byte; `{issuer}/tenants/T` belongs to a tenant that exists here. */
async function acceptedIssuer(iss: unknown, rules: TokenRules): Promise<AcceptedIssuer> {
  if (iss === rules.issuer) return { issuer: rules.issuer, tenantId: null };
  const prefix = `${rules.issuer.replace(/\/$/, '')}/tenants/`;
  if (typeof iss === 'string' && iss.startsWith(prefix)) {
    const tenantId = parseTenantId(iss.slice(prefix.length));
    if (tenantId !== null && (await rules.knowsTenant(tenantId))) return { issuer: iss, tenantId };
  }
  throw refuseToken('its "iss" is not the configured issuer');
}

async function checkSignatureAndTimes(token: string, found: IssuerKey, rules: TokenRules): Promise<number> {
  try {
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: ALGORITHMS,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: new Date(rules.clock.nowMs()),
      ...(Array.isArray(rules.audience) ? { audience: [...rules.audience] } : {}),
    });
    return validExpiry(payload.exp);
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new ApiError('token_expired');
    // jose reports a key that does not fit the algorithm as a TypeError.
    if (error instanceof errors.JOSEError || error instanceof TypeError) throw refuseToken(error.message);
    throw error;
  }
}

// 9999-12-31T23:59:59Z: what is later has no ISO 8601 form that others read.
const LATEST_EXPIRY = 253_402_300_799;

function validExpiry(exp: unknown): number {
  if (typeof exp !== 'number' || exp > LATEST_EXPIRY) throw refuseToken('its "exp" is not a time');
  return exp;
}

function checkPurpose(claims: Claims): void {
  const mark = FOREIGN_MARKS.find((name) => Object.hasOwn(claims, name));
  if (mark !== undefined) throw refuseToken(`it carries "${mark}", so it is no access token`);
  const aud = claims.aud;
  const isList = Array.isArray(aud) && aud.every((entry) => isText(entry));
  if (aud !== undefined && !isText(aud) && !isList)
    throw refuseToken('its "aud" is neither a text nor a list of texts');
}
