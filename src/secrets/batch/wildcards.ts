import { ApiError } from '../../contract/errors.ts';
import { parseSecretPath, type SecretPath } from '../../contract/names.ts';
import type { Database } from '../../postgres/database.ts';
import { type ListAsking, makePage } from '../listing/page.ts';
import type { ListFilter } from '../listing/types.ts';

/** `prefix/*` or `prefix/**`, or either without a prefix. */
export interface Wildcard {
  readonly text: string;
  /** With its slash; empty: everything. */
  readonly prefix: string;
  /** Whether it stands for more than one segment. */
  readonly deep: boolean;
}

export interface Expanded {
  readonly paths: readonly SecretPath[];
  /** Whether there may be more of them. */
  readonly truncated: boolean;
}

const PATTERN = /^(?:([^*]*)\/)?(\*\*?)$/;

const PAGE = 1_000;
/** Folders are passed over a page at a time; somebody may have any number of them. */
const MAX_PAGES = 10;
const ANY: ListFilter = {
  deletedWithinMs: null,
  secretType: null,
  owner: null,
  tag: null,
  expiringWithinMs: null,
  search: null,
};

/** @returns null for a text without a wildcard. @throws ApiError `invalid_glob`, `invalid_path` */
export function parseWildcard(text: string): Wildcard | null {
  if (!text.includes('*')) return null;
  const match = PATTERN.exec(text);
  if (match === null) {
    throw new ApiError('invalid_glob', {
      message:
        'A wildcard stands at the end alone: "app/*" is what lies right in app, "app/**" all that lies below it.',
    });
  }
  const [, prefix, stars] = match;
  return { text, prefix: prefix === undefined ? '' : `${parseSecretPath(prefix)}/`, deep: stars === '**' };
}

/** The secrets that a wildcard stands for and the caller may list; at most `room` of them, deleted ones left out. */
export async function expand(
  db: Database,
  asking: ListAsking,
  { prefix, deep }: Wildcard,
  room: number,
): Promise<Expanded> {
  const paths: SecretPath[] = [];
  let from = prefix;
  for (let page = 0; page < MAX_PAGES && paths.length < room; page++) {
    const limit = deep ? Math.min(PAGE, room - paths.length) : PAGE;
    const { entries, next } = await makePage(db, asking, { prefix, folders: !deep, filter: ANY, limit, from });
    for (const entry of entries) if (entry.type === 'secret') paths.push(entry.secret.path);
    if (next === null) return { paths: paths.slice(0, room), truncated: paths.length > room };
    from = next;
  }
  return { paths: paths.slice(0, room), truncated: true };
}
