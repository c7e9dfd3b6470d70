import { ApiError } from '../../contract/errors.ts';
import { MAX_PATH_LENGTH, MAX_PATH_SEGMENTS } from '../../contract/names.ts';
import { type Principal, subjectKey, type Tenant } from '../../contract/principal.ts';
import { decodeCursor, encodeCursor, type Mac } from '../../lib/cursors.ts';
import { parseDuration } from '../../lib/durations.ts';
import { SECRET_TYPES, type SecretType } from '../types.ts';
import type { ListQuery } from './schemas.ts';
import { anyCase } from './search-text.ts';
import type { ListRequest } from './types.ts';

export interface QueryAsking {
  readonly principal: Principal;
  readonly tenant: Tenant;
}

export interface CursorParts {
  readonly mac: Mac;
  readonly nowMs: number;
}

const DEFAULT_LIMIT = 100;
const PREFIX = /^(?:[a-z0-9_-]+\/)*[a-z0-9_-]*$/;

/** A text that some path may begin with. */
function parsePrefix(text: string): string {
  const canBegin = PREFIX.test(text) && text.length <= MAX_PATH_LENGTH && text.split('/').length <= MAX_PATH_SEGMENTS;
  if (canBegin) return text;
  throw new ApiError('invalid_path', {
    message:
      'No path can begin with this prefix. Paths are segments of a-z, 0-9, "-" and "_", separated by single slashes.',
  });
}

function parseType(text: string | undefined): SecretType | null {
  if (text === undefined) return null;
  const type = SECRET_TYPES.find((known) => known === text);
  if (type === undefined) throw new ApiError('invalid_secret_type');
  return type;
}

function parseWithin(text: string | undefined): number | null {
  if (text === undefined) return null;
  const durationMs = parseDuration(text);
  if (durationMs === null) throw new ApiError('invalid_duration');
  return durationMs;
}

/** What a cursor is bound to: another query's, tenant's or person's is not taken. */
function binding({ cursor: _, limit: __, ...query }: ListQuery, { principal, tenant }: QueryAsking) {
  return { route: 'secrets', query, tenant: tenant.tenantId, subject: subjectKey(principal.subject) };
}

function startAt(query: ListQuery, asking: QueryAsking, { mac, nowMs }: CursorParts): string | null {
  if (query.cursor === undefined) return null;
  const [place] = decodeCursor(mac, binding(query, asking), query.cursor, nowMs) ?? [];
  if (typeof place !== 'string') throw new ApiError('invalid_cursor');
  return place;
}

/** @throws ApiError `invalid_path`, `invalid_secret_type`, `invalid_duration`, `invalid_cursor` */
export function parseListQuery(
  query: ListQuery,
  asking: QueryAsking,
  cursors: CursorParts,
  retentionMs: number,
): ListRequest {
  const prefix = parsePrefix(query.prefix ?? '');
  return {
    prefix,
    folders: query.delimiter !== undefined,
    filter: {
      deletedWithinMs: query.deleted === 'true' ? retentionMs : null,
      secretType: parseType(query.type),
      owner: query.owner ?? null,
      tag: query.tag ?? null,
      expiringWithinMs: parseWithin(query.expiring_within),
      search: query.q === undefined ? null : anyCase(query.q),
    },
    limit: query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit),
    from: startAt(query, asking, cursors) ?? prefix,
  };
}

/** For the next page of a query: its place, and the policy epoch that the one before was made under. */
export function cursorFor(
  query: ListQuery,
  asking: QueryAsking,
  { mac, nowMs }: CursorParts,
  next: string,
  policyEpoch: number,
): string {
  return encodeCursor(mac, binding(query, asking), [next, policyEpoch], nowMs);
}
