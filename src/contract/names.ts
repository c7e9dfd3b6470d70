/**
 * Names from outside, parsed once at the edge into branded types. Below the edge no function takes a raw string for
 * one of them: two components that spell one name differently are the commonest hole of our rivals
 * (CVE-2026-3605, CVE-2025-5999, GHSA-mwr2-wmgp-crj6). Nothing is normalised: what is not canonical is refused.
 */
import { ApiError } from './errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type SecretPath = Branded<'SecretPath'>;
export type TenantId = Branded<'TenantId'>;
export type PartnerId = Branded<'PartnerId'>;
export type KeyId = Branded<'KeyId'>;
export type PolicyId = Branded<'PolicyId'>;
export type BindingId = Branded<'BindingId'>;
export type PolicyName = Branded<'PolicyName'>;
/** `user:alice@example.com`, `sa:<client_id>`: for people to read. What rights hang on is the {@link Subject}. */
export type IdentityId = Branded<'IdentityId'>;
/** A path pattern that `policy/glob.ts` has parsed. */
export type GlobText = Branded<'GlobText'>;

export const MAX_PATH_LENGTH = 512;
export const MAX_PATH_SEGMENTS = 10;

const PATH = /^[a-z0-9_-]+(?:\/[a-z0-9_-]+)*$/;
const SEGMENT = /^[a-z0-9_-]+$/;
// Ids of tenants and partners are the identity provider's. They start with a letter or digit, so that our own
// reserved names ("_system") are impossible for a stranger to be called (GHSA-mwr2-wmgp-crj6).
const FOREIGN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const POLICY_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const OWN_ID = /^[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}$/;

/** The tenant that audit entries without a tenant carry (start-up, sealing, sampled 401s). */
export const SYSTEM_TENANT = '_system' as TenantId;

/** Checks a path exactly as it stood in the raw request target. @throws ApiError `invalid_path` */
export function parseSecretPath(raw: string): SecretPath {
  if (raw.length > MAX_PATH_LENGTH) {
    throw new ApiError('invalid_path', { message: `The path is longer than ${MAX_PATH_LENGTH} characters.` });
  }
  if (!PATH.test(raw)) throw new ApiError('invalid_path');
  if (raw.split('/').length > MAX_PATH_SEGMENTS) {
    throw new ApiError('invalid_path', { message: `The path has more than ${MAX_PATH_SEGMENTS} segments.` });
  }
  return raw as SecretPath;
}

/** Whether a text may stand as one segment of a path (policy templates are expanded only into these). */
export function isPathSegment(text: string): boolean {
  return text.length <= MAX_PATH_LENGTH && SEGMENT.test(text);
}

/** @returns the id, or null where the text cannot be one; the caller knows which error fits. */
export function parseTenantId(raw: unknown): TenantId | null {
  return typeof raw === 'string' && FOREIGN_ID.test(raw) ? (raw as TenantId) : null;
}

/** @returns the id, or null where the text cannot be one. */
export function parsePartnerId(raw: unknown): PartnerId | null {
  return typeof raw === 'string' && FOREIGN_ID.test(raw) ? (raw as PartnerId) : null;
}

/** There is no magic policy name, and none in two spellings (CVE-2025-5999): lower case only. */
export function parsePolicyName(raw: string): PolicyName | null {
  return POLICY_NAME.test(raw) ? (raw as PolicyName) : null;
}

/** @throws ApiError `policy_not_found`: an id of another form names nothing. */
export function parsePolicyId(raw: string): PolicyId {
  if (!raw.startsWith('pol_') || !OWN_ID.test(raw)) throw new ApiError('policy_not_found');
  return raw as PolicyId;
}

/** @throws ApiError `binding_not_found`: an id of another form names nothing. */
export function parseBindingId(raw: string): BindingId {
  if (!raw.startsWith('bnd_') || !OWN_ID.test(raw)) throw new ApiError('binding_not_found');
  return raw as BindingId;
}
