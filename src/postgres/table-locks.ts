import type { MigrationSession } from './migration-session.ts';
import { statementsOf } from './sql-text.ts';

// From the weakest to the strongest (PostgreSQL manual, "Table-Level Locks").
const MODES = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;
export type LockMode = (typeof MODES)[number];

/** The strongest lock on a table that exists already; new tables hinder nobody. */
export interface TableLock {
  readonly table: string;
  readonly mode: LockMode;
}

/** Who waits until the transaction has ended, in plain words. */
export function whoWaits(mode: LockMode): string {
  if (mode === 'ACCESS EXCLUSIVE') return 'reads and writes wait';
  if (mode === 'SHARE' || mode === 'SHARE ROW EXCLUSIVE' || mode === 'EXCLUSIVE') return 'writes wait, reads go on';
  if (mode === 'SHARE UPDATE EXCLUSIVE') return 'only other changes of the schema wait';
  return 'nobody waits, unless for the same rows';
}

export interface ReadLocks {
  readonly locks: readonly TableLock[];
  /** Beginnings of statements whose locks cannot be told from their text. */
  readonly untold: readonly string[];
}

const NAME = '(?:ONLY )?(\\w+)';
/** What a kind of statement locks. PostgreSQL takes less for some forms of ALTER TABLE; never more than said here. */
const KINDS: readonly (readonly [RegExp, LockMode | null])[] = [
  [new RegExp(`^ALTER TABLE (?:IF EXISTS )?${NAME}`, 'i'), 'ACCESS EXCLUSIVE'],
  [new RegExp(`^(?:DROP|TRUNCATE) TABLE (?:IF EXISTS )?${NAME}`, 'i'), 'ACCESS EXCLUSIVE'],
  [new RegExp(`^CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\\w+ ON ${NAME}`, 'i'), 'SHARE'],
  [new RegExp(`^(?:INSERT INTO|UPDATE|DELETE FROM) ${NAME}`, 'i'), 'ROW EXCLUSIVE'],
  [new RegExp(`^CREATE TABLE (?:IF NOT EXISTS )?\\w+ PARTITION OF ${NAME}`, 'i'), 'ACCESS EXCLUSIVE'],
  [/^CREATE TABLE\b/i, null],
  [/^(?:CREATE (?:OR REPLACE )?FUNCTION|COMMENT|GRANT|REVOKE)\b/i, null],
];
const CREATED = /^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/i;
const REFERENCED = /\bREFERENCES (\w+)/gi;
const HEAD_LENGTH = 60;

class Strongest {
  readonly #modes = new Map<string, LockMode>();

  add(table: string, mode: LockMode): void {
    const known = this.#modes.get(table);
    if (known === undefined || MODES.indexOf(mode) > MODES.indexOf(known)) this.#modes.set(table, mode);
  }

  list(): readonly TableLock[] {
    return [...this.#modes].map(([table, mode]) => ({ table, mode })).sort((a, b) => (a.table < b.table ? -1 : 1));
  }
}

/**
 * Reads the locks out of a script's text.
 * @param isNew tables that exist only since an earlier migration of the same run; those that this script makes are added
 */
export function readLocks(script: string, isNew: Set<string>): ReadLocks {
  const strongest = new Strongest();
  const untold: string[] = [];
  const lock = (table: string, mode: LockMode) => {
    if (!isNew.has(table.toLowerCase())) strongest.add(table.toLowerCase(), mode);
  };
  for (const statement of statementsOf(script)) {
    const created = CREATED.exec(statement)?.[1];
    if (created !== undefined) isNew.add(created.toLowerCase());
    const kind = KINDS.find(([head]) => head.test(statement));
    if (kind === undefined) {
      untold.push(statement.length > HEAD_LENGTH ? `${statement.slice(0, HEAD_LENGTH)}...` : statement);
      continue;
    }
    const [head, mode] = kind;
    const table = head.exec(statement)?.[1];
    if (mode !== null && table !== undefined) lock(table, mode);
    if (/^(?:CREATE|ALTER) TABLE/i.test(statement)) {
      for (const [, referenced = ''] of statement.matchAll(REFERENCED)) lock(referenced, 'SHARE ROW EXCLUSIVE');
    }
  }
  return { locks: strongest.list(), untold };
}

/** The tables of the schema, by which {@link heldLocks} tells old ones from those of the open transaction. */
export async function tableIds(session: MigrationSession): Promise<ReadonlySet<number>> {
  const rows = await session.query(
    `SELECT c.oid::int8 AS id FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')`,
    [],
  );
  return new Set(rows.map(({ id }) => Number(id)));
}

/** The locks that the open transaction of the session holds on tables that were there before it. */
export async function heldLocks(session: MigrationSession, before: ReadonlySet<number>): Promise<readonly TableLock[]> {
  const rows = await session.query(
    `SELECT c.oid::int8 AS id, c.relname AS "table", l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
     WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p')`,
    [],
  );
  const strongest = new Strongest();
  for (const { id, table, mode } of rows) {
    if (before.has(Number(id))) strongest.add(String(table), manualName(String(mode)));
  }
  return strongest.list();
}

/** `AccessExclusiveLock` is what the manual calls ACCESS EXCLUSIVE. */
function manualName(mode: string): LockMode {
  const words = mode
    .replace(/Lock$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase();
  return MODES.find((known) => known === words) ?? 'ACCESS EXCLUSIVE';
}
