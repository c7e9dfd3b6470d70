import { ApiError } from '../../contract/errors.ts';
import type { Reach } from '../../contract/permissions.ts';
import type { Tenant } from '../../contract/principal.ts';
import type { Judge, Standing } from '../../contract/route.ts';
import type { Database, Queryable } from '../../postgres/database.ts';
import { beyond } from './index-order.ts';
import { Progress } from './progress.ts';
import { type Batch, findPaths, findSecrets } from './repository.ts';
import { segmentsOf } from './segments.ts';
import type { Entry, ListFilter, ListRequest } from './types.ts';

/** A request's part in a list: where, and what its policies allow. */
export interface ListAsking {
  readonly tenant: Tenant;
  readonly standing: Standing;
  readonly judge: Judge;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** Place in the index where the next page begins; null: this is the last one. */
  readonly next: string | null;
  /** Under which the page was made. */
  readonly policyEpoch: number;
}

/** A page is made no more often than this under policies that change all the time. */
const TRIES = 4;

/**
 * A page of what a caller may list. The rules become part of the query, so that a page is full whatever lies between
 * its rows; the evaluator has the last word on each of them (GHSA-xp3c-3jw3-4vcr).
 * @throws ApiError `service_unavailable` when what the caller may list changed each time the page was made
 */
export async function makePage(db: Database, asking: ListAsking, request: ListRequest): Promise<Page> {
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const page = await tryPage(db, asking, request);
    if (page !== null) return page;
  }
  throw new ApiError('service_unavailable', {
    message: 'The policies that decide what you see change faster than a page is made. Try again shortly.',
    retryAfter: 1,
  });
}

/** @returns null when what the caller may list changed meanwhile */
async function tryPage(db: Database, asking: ListAsking, request: ListRequest): Promise<Page | null> {
  const { tenant, standing, judge } = asking;
  const reach = judge.reach('secret', 'list');
  const segments = segmentsOf(reach, request.from, beyond(request.prefix));
  const progress = new Progress(request, segments, (path) => judge.path('secret', path, 'list').allowed);
  for (;;) {
    const batch = progress.nextBatch();
    const found = await look(db, tenant, batch, request);
    if (!standing.holds(found.epochs)) {
      await standing.confirm(found.epochs);
      if (!isSame(reach, judge.reach('secret', 'list'))) return null;
    }
    if ('paths' in found) progress.judge(batch, found.paths);
    else progress.show(batch, found.rows);
    if (progress.isComplete) {
      return { entries: progress.entries, next: progress.next, policyEpoch: found.epochs.policy };
    }
  }
}

/** A search may take seconds. It gets a connection of its own: reads of secrets must not queue up behind it. */
function look(db: Database, { tenantId }: Tenant, batch: Batch, request: ListRequest) {
  if (batch.view === 'paths') return db.transaction((tx) => findPaths(tx, tenantId, batch, request));
  const find = (queryable: Queryable) => findSecrets(queryable, tenantId, batch, request);
  return isQuick(batch, request.filter) ? find(db) : db.transaction(find);
}

/** Whether every row that is read is also given, or nearly so. */
function isQuick({ segments }: Batch, filter: ListFilter): boolean {
  const all = Object.values(filter).every((wanted) => wanted === null);
  return all && segments.every(({ allow, deny }) => allow === '' && deny === '');
}

/** The same patterns decide alike, under whatever epochs. */
function isSame(before: Reach, now: Reach): boolean {
  return JSON.stringify(before) === JSON.stringify(now);
}
