/**
 * The one door to PostgreSQL. Repositories know this interface only; `pool.ts` implements it over `pg`, `embedded.ts`
 * over the embedded database of `serve --dev`.
 */

export type SqlValue = string | number | boolean | null | Date | Buffer | readonly string[] | readonly number[];

/** A statement is prepared once a connection under its name. The text never holds a value. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** It changes nothing, so that it may be sent again after a lost connection. */
  readonly readOnly: boolean;
}

export function statement(name: string, text: string): Statement {
  return { name, text, readOnly: /^\s*SELECT\b(?!.*\bFOR\s+(?:UPDATE|KEY|SHARE|NO)\b)/is.test(text) };
}

/**
 * Rows come back as plain objects: `int8` as number, `bytea` as Buffer, `jsonb` as parsed, `timestamptz` as Date.
 */
export interface Queryable {
  query<Row extends object>(statement: Statement, values?: readonly SqlValue[]): Promise<readonly Row[]>;
}

/**
 * An open transaction. Statements sent without awaiting the one before go out back to back on the one connection.
 * While it is open its owner must not use the {@link Database} itself: the embedded one has a single session.
 */
export interface Transaction extends Queryable {
  /**
   * Commits before `work` returns, for who has to know that it happened. After it only returning is allowed.
   * @throws CommitUnknown when the connection was lost before the answer came.
   */
  commit(): Promise<void>;
}

export interface Database extends Queryable {
  /**
   * One statement in its own transaction, on a pipelined connection. A read is sent again once when its connection was
   * lost; a change never is.
   * @throws DatabaseUnavailable, or CommitUnknown for a change that was under way when the connection was lost
   */
  query<Row extends object>(statement: Statement, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /**
   * Begins, works, commits if `work` has not; rolls back when `work` throws. A serialization failure or deadlock runs
   * `work` again, so it must be repeatable.
   * @throws DatabaseUnavailable, ConstraintViolation, CommitUnknown, and what `work` throws
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Connections of the transaction pool, for health. */
  poolStatus(): { readonly size: number; readonly available: number };
  close(): Promise<void>;
}

const PING = statement('postgres.ping', 'SELECT 1 AS ok');

/** Asks for nothing but an answer. @throws DatabaseUnavailable, DatabaseRefused */
export async function ping(db: Queryable): Promise<void> {
  await db.query(PING);
}

/** The database cannot be reached, or went away under the statement, which is known not to have committed. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}

/** The server refuses our user, password or database name: waiting does not help. */
export class DatabaseRefused extends Error {
  override readonly name = 'DatabaseRefused';
}

/** The server knows our user, who may not do this: what `scaivault migrate --app-role` grants is missing. */
export class PrivilegeMissing extends Error {
  override readonly name = 'PrivilegeMissing';
}

/** The connection was lost while a commit was under way: it may have happened or not. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown';
}

/** A text holds what PostgreSQL cannot store: NUL, or half of a surrogate pair in JSON. */
export class UnstorableText extends Error {
  override readonly name = 'UnstorableText';
}

/** A constraint said no. `constraint` is its name in the schema, so that a service can tell which rule it was. */
export class ConstraintViolation extends Error {
  override readonly name = 'ConstraintViolation';
  readonly constraint: string;
  /** SQLSTATE of class 23. */
  readonly sqlState: string;

  constructor(constraint: string, sqlState: string, cause: unknown) {
    super(`constraint ${constraint} violated`, { cause });
    this.constraint = constraint;
    this.sqlState = sqlState;
  }
}
