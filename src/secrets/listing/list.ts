import type { Clock } from '../../lib/clock.ts';
import type { Mac } from '../../lib/cursors.ts';
import type { Database } from '../../postgres/database.ts';
import { type ListAsking, makePage } from './page.ts';
import { cursorFor, parseListQuery, type QueryAsking } from './query.ts';
import type { ListQuery } from './schemas.ts';
import type { Entry } from './types.ts';

export interface ListParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly mac: Mac;
  readonly retentionMs: number;
}

export interface ListPage {
  readonly prefix: string;
  readonly entries: readonly Entry[];
  /** Null: there are no more. */
  readonly cursor: string | null;
}

/** The use case of a list: no value is read for it. */
export function createList({ db, clock, mac, retentionMs }: ListParts) {
  return async (asking: ListAsking & QueryAsking, query: ListQuery): Promise<ListPage> => {
    const cursors = { mac, nowMs: clock.nowMs() };
    const request = parseListQuery(query, asking, cursors, retentionMs);
    const { entries, next, policyEpoch } = await makePage(db, asking, request);
    return {
      prefix: request.prefix,
      entries,
      cursor: next === null ? null : cursorFor(query, asking, cursors, next, policyEpoch),
    };
  };
}
