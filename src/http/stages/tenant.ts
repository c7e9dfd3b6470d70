import { ApiError } from '../../contract/errors.ts';
import type { IdentityService } from '../../identity/service.ts';
import { draftEntry } from '../audit-draft.ts';
import type { Authenticated, Tenanted } from '../exchange.ts';

function headerOf(exchange: Authenticated): string | null {
  const header = exchange.request.headers['x-tenant-id'];
  if (header === undefined) return null;
  if (Array.isArray(header)) throw new ApiError('invalid_request', { message: 'X-Tenant-ID is given twice.' });
  return header;
}

/** Stage 4: the tenant that the request works in, and the caller as that tenant's house sees it. */
export async function tenant(exchange: Authenticated, identity: IdentityService): Promise<Tenanted> {
  const wanted = { prefix: exchange.match.tenantPrefix, header: headerOf(exchange) };
  const entered = await identity.enter(exchange.holder, wanted, exchange.requestId);
  return { ...exchange, ...entered, draft: draftEntry(exchange, entered.principal, entered.tenant) };
}
