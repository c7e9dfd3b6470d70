import { isPathSegment, type TenantId } from '../contract/names.ts';
import type { Principal } from '../contract/principal.ts';
import { hashedSegment } from '../lib/hashed-segment.ts';
import type { TemplateValues } from './glob.ts';

/** What the templates of a policy stand for when this caller works in the tenant of this key. */
export function templateValues(principal: Pick<Principal, 'key'>, tenantKey: string): TemplateValues {
  return { 'identity.key': legal(principal.key), 'tenant.id': legal(tenantKey) };
}

function legal(value: string): string | null {
  return isPathSegment(value) ? value : null;
}

/**
 * A tenant's id as a segment: itself where it is a legal one, else `h-` and 26 characters of base 32 of its SHA-256.
 * As with `identity.key` nothing is lower-cased into place: `Acme` and `acme` are two tenants.
 */
export function tenantKey(tenantId: TenantId): string {
  if (isPathSegment(tenantId) && !tenantId.startsWith('h-')) return tenantId;
  return hashedSegment(tenantId);
}
