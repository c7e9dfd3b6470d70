import type { AuditDraft } from '../contract/audit.ts';
import { SYSTEM_TENANT } from '../contract/names.ts';
import type { Principal, Tenant } from '../contract/principal.ts';
import { newId } from '../lib/ids.ts';
import type { Authenticated, Guarded } from './exchange.ts';

const MAX_USER_AGENT = 256;
const MAX_RESOURCE = 256;

/** What a route without a secret's path works on: its own path, with the ids that stand in it. */
function resourceOf({ match, target }: Guarded): string {
  return match.rest !== null ? 'secrets' : target.rawPath.replace(/^\/v1\//, '').slice(0, MAX_RESOURCE);
}

function common(exchange: Guarded) {
  const { source, request } = exchange;
  return {
    id: newId('log'),
    action: exchange.route.action,
    secretPath: null,
    resource: resourceOf(exchange),
    sourceIp: source.ip,
    userAgent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
    requestId: exchange.requestId,
    startedMicros: exchange.startedMicros,
    decision: null,
    extra: source.forwardedUntrusted ? { peer: source.peer, forwarded_untrusted: true } : {},
  };
}

/** The entry of a request whose caller and tenant are known. */
export function draftEntry(exchange: Authenticated, principal: Principal, tenant: Tenant): AuditDraft {
  return {
    ...common(exchange),
    tenantId: tenant.tenantId,
    partnerId: tenant.partnerId,
    identityType: principal.subject.kind,
    identityId: principal.identityId,
    onBehalfOf: principal.onBehalfOf,
  };
}

/** The entry of a caller who has a valid token and no way into the tenant that it asks for. */
export function draftStranger(exchange: Authenticated): AuditDraft {
  const { holder } = exchange;
  return {
    ...common(exchange),
    tenantId: SYSTEM_TENANT,
    partnerId: null,
    identityType: holder.kind,
    identityId: holder.identityId,
    onBehalfOf: holder.onBehalfOf,
  };
}

/** The entry of a failed authentication, of which only a sample is kept. */
export function draftUnauthenticated(exchange: Guarded, suppressed: number): AuditDraft {
  const entry = common(exchange);
  return {
    ...entry,
    action: 'auth_failed',
    tenantId: SYSTEM_TENANT,
    partnerId: null,
    identityType: null,
    identityId: null,
    onBehalfOf: null,
    extra: { ...entry.extra, suppressed },
  };
}
