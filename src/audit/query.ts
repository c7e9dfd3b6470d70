import { ACTIONS } from '../contract/audit.ts';
import { ApiError, validationError } from '../contract/errors.ts';
import type { TenantId } from '../contract/names.ts';
import { type Principal, subjectKey } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import { isoMicros } from '../lib/clock.ts';
import { decodeCursor, encodeCursor, type Mac } from '../lib/cursors.ts';
import type { Database } from '../postgres/database.ts';
import { type AuditFilter, type AuditRow, listEntries } from './repository.ts';
import type { LogsQuery } from './schemas.ts';

export interface LogsPage {
  readonly logs: readonly Record<string, unknown>[];
  readonly cursor: string | null;
  readonly has_more: boolean;
}

export interface LogsAsking {
  readonly principal: Principal;
  readonly tenantId: TenantId;
}

export interface QueryParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly mac: Mac;
}

const DEFAULT_LIMIT = 100;
const NEWEST = { timestamp: 'infinity', id: '' };

function parseActions(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const actions = text.split(',');
  const known: ReadonlySet<string> = new Set(ACTIONS);
  if (!actions.every((action) => known.has(action))) throw validationError({ action: 'unknown action' });
  return actions;
}

/** An instant that looks right may still not exist: the 31st of February. */
function parseInstant(text: string | undefined, field: string, otherwise: string): string {
  if (text === undefined) return otherwise;
  const parsed = new Date(text);
  if (Number.isNaN(parsed.getTime()) || !parsed.toISOString().startsWith(text.slice(0, 10))) {
    throw validationError({ [field]: 'not a day of the calendar' });
  }
  return text;
}

/** What a cursor is bound to: another query's, tenant's or person's is not taken. */
function binding({ cursor: _, limit: __, ...query }: LogsQuery, { principal, tenantId }: LogsAsking) {
  return { route: 'audit/logs', query, tenant: tenantId, subject: subjectKey(principal.subject) };
}

function startAfter(query: LogsQuery, asking: LogsAsking, parts: QueryParts): AuditFilter['before'] {
  if (query.cursor === undefined) return NEWEST;
  const position = decodeCursor(parts.mac, binding(query, asking), query.cursor, parts.clock.nowMs());
  const [timestamp, id] = position ?? [];
  if (typeof timestamp !== 'string' || typeof id !== 'string') throw new ApiError('invalid_cursor');
  return { timestamp, id };
}

function present({ micros, ...row }: AuditRow): Record<string, unknown> {
  const { id, ...rest } = row;
  return { id, timestamp: isoMicros(micros), ...rest };
}

/** A page of a tenant's audit log, newest first. @throws ApiError `invalid_cursor`, `validation_error` */
export async function queryLogs(query: LogsQuery, asking: LogsAsking, parts: QueryParts): Promise<LogsPage> {
  const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit);
  const filter: AuditFilter = {
    from: parseInstant(query.from, 'from', '-infinity'),
    to: parseInstant(query.to, 'to', 'infinity'),
    before: startAfter(query, asking, parts),
    actions: parseActions(query.action),
    identityId: query.identity_id ?? null,
    identityType: query.identity_type ?? null,
    pathPrefix: query.path_prefix ?? null,
    success: query.success === undefined ? null : query.success === 'true',
    sourceIp: query.source_ip ?? null,
    requestId: query.request_id ?? null,
    // One more than asked for tells whether there are more.
    limit: limit + 1,
  };
  // A connection of its own: a search through years may take seconds, and reads of secrets must not queue up behind it.
  const rows = await parts.db.transaction((tx) => listEntries(tx, asking.tenantId, filter));
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    logs: shown.map(present),
    cursor: more
      ? encodeCursor(parts.mac, binding(query, asking), [isoMicros(last.micros), last.id], parts.clock.nowMs())
      : null,
    has_more: more,
  };
}
