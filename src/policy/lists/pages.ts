import { ApiError } from '../../contract/errors.ts';
import { type Principal, subjectKey, type Tenant } from '../../contract/principal.ts';
import type { Clock } from '../../lib/clock.ts';
import { decodeCursor, encodeCursor, type Mac } from '../../lib/cursors.ts';
import type { PageQuery } from '../schemas.ts';
import type { Slice, Window } from './listing.ts';

export interface CursorParts {
  readonly clock: Clock;
  readonly mac: Mac;
}

interface PageCall {
  readonly principal: Principal;
  readonly tenant: Tenant;
  readonly query: PageQuery;
}

const DEFAULT_LIMIT = 100;

/**
 * A page of a list whose rows have a position of their own.
 * @param route what the cursor is bound to, beside query, tenant and subject: another list's is not taken
 * @throws ApiError `invalid_cursor`
 */
export async function showPage<Item, Position extends string | number>(
  { clock, mac }: CursorParts,
  { principal, tenant, query }: PageCall,
  route: string,
  read: (window: Window<Position>) => Promise<Slice<Item>>,
  positionOf: (item: Item) => Position,
): Promise<{ readonly items: readonly Item[]; readonly page: { cursor: string | null; has_more: boolean } }> {
  const { cursor, limit, ...filters } = query;
  const binding = { route, query: filters, tenant: tenant.tenantId, subject: subjectKey(principal.subject) };
  const position = cursor === undefined ? null : decodeCursor(mac, binding, cursor, clock.nowMs());
  if (cursor !== undefined && position === null) throw new ApiError('invalid_cursor');
  // Ours, as its authentication says: made below from a position of this list.
  const after = position === null ? null : (position[0] as Position);
  const { items, hasMore } = await read({ after, limit: limit === undefined ? DEFAULT_LIMIT : Number(limit) });
  const last = items.at(-1);
  const next = hasMore && last !== undefined ? encodeCursor(mac, binding, [positionOf(last)], clock.nowMs()) : null;
  return { items, page: { cursor: next, has_more: next !== null } };
}
