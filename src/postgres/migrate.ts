import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import shift from 'postgres-shift';
import { grantRememberedRoles } from './app-role.ts';
import { alone } from './migration-lock.ts';
import type { MigrationSession } from './migration-session.ts';
import { type Migration, readMigrations, readSql } from './migrations.ts';

export type SchemaState =
  | { readonly state: 'current'; readonly applied: number }
  | { readonly state: 'behind'; readonly applied: number; readonly pending: readonly Migration[] }
  | { readonly state: 'ahead'; readonly applied: number; readonly known: number; readonly serves: string | null }
  | { readonly state: 'changed'; readonly applied: number; readonly changed: readonly string[] };

export interface MigrationProgress {
  waiting(seconds: number): void;
  applying(migration: Migration): void;
  /** A role that was named as the serving one gets nothing any more, and why. */
  roleSkipped?(reason: string): void;
}

export type MigrationOutcome = { readonly applied: readonly Migration[]; readonly pending: readonly Migration[] };

/** The schema is not one that this executable can use or change. */
export class SchemaRefused extends Error {
  override readonly name = 'SchemaRefused';
  readonly schema: SchemaState;

  constructor(schema: SchemaState, message: string) {
    super(message);
    this.schema = schema;
  }
}

/** Somebody else holds what the migrator needs for longer than it may wait; doing it again later is safe. */
export class MigrationBlocked extends Error {
  override readonly name = 'MigrationBlocked';
}

/** A migration that waits longer for a table would stall the traffic that queues up behind it. */
export const LOCK_TIMEOUT_MS = 5_000;
const LOCK_TRIES = 5;

/** What has been applied; made before the first migration. */
export const CHECKSUMS = `CREATE TABLE IF NOT EXISTS migration_checksums (
  migration_id integer PRIMARY KEY, checksum text NOT NULL, serves text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now())`;

async function tableExists(session: MigrationSession, table: string): Promise<boolean> {
  const [row] = await session.query('SELECT to_regclass($1) IS NOT NULL AS found', [table]);
  return row?.found === true;
}

/** Compares what the database has with what this executable carries. Changes nothing. */
export async function inspectSchema(session: MigrationSession, directory: string): Promise<SchemaState> {
  const known = await readMigrations(directory);
  if (!(await tableExists(session, 'migration_checksums'))) return { state: 'behind', applied: 0, pending: known };
  const rows = await session.query('SELECT migration_id, checksum, serves FROM migration_checksums ORDER BY 1', []);
  const applied = rows.length;
  const changed = known
    .slice(0, applied)
    .filter(({ id, checksum }, index) => rows[index]?.migration_id !== id || rows[index]?.checksum !== checksum);
  // Before everything else: a database that is ahead serves us only if it began as ours did.
  if (changed.length > 0) return { state: 'changed', applied, changed: changed.map((migration) => migration.folder) };
  if (applied > known.length) {
    const serves = rows.at(-1)?.serves;
    return { state: 'ahead', applied, known: known.length, serves: typeof serves === 'string' ? serves : null };
  }
  return applied === known.length
    ? { state: 'current', applied }
    : { state: 'behind', applied, pending: known.slice(applied) };
}

/** What an operator is told about a schema that is ahead or was changed. */
export function schemaRefusal(schema: SchemaState, version: string): SchemaRefused | null {
  if (schema.state === 'ahead') {
    return new SchemaRefused(
      schema,
      `The database is at migration ${schema.applied}, this executable (${version}) knows ${schema.known}. ` +
        `Run the release that made it, or restore the backup from before the upgrade.`,
    );
  }
  if (schema.state === 'changed') {
    return new SchemaRefused(
      schema,
      `Applied migrations differ from those of this executable (${version}): ${schema.changed.join(', ')}. ` +
        `Run the release that applied them; an applied migration is never edited.`,
    );
  }
  return null;
}

/** `postgres-shift` speaks Postgres.js; this gives it our session, and puts the checksum into its transaction. */
function shiftAdapter(session: MigrationSession, directory: string, migration: Migration, progress: MigrationProgress) {
  const sql = async (strings: readonly string[], ...values: readonly (string | number)[]) =>
    session.query(
      strings.reduce((text, part, index) => text + (index === 0 ? '' : `$${index}`) + part, ''),
      values,
    );
  sql.file = async () => {
    await session.script(await readSql(directory, migration));
  };
  sql.begin = async (work: (adapter: typeof sql) => Promise<unknown>) => {
    await session.script('BEGIN');
    try {
      await work(sql);
      await session.query('INSERT INTO migration_checksums (migration_id, checksum, serves) VALUES ($1, $2, $3)', [
        migration.id,
        migration.checksum,
        migration.serves,
      ]);
      // A server that waits for this migration starts the moment it is committed, and needs its rights then.
      await grantRememberedRoles(session, (reason) => progress.roleSkipped?.(reason));
      await session.script('COMMIT');
    } catch (error) {
      // Where it fails the connection is gone, which rolls back too.
      await session.script('ROLLBACK').catch(() => {});
      throw error;
    }
  };
  return sql;
}

/**
 * Applies one migration in one transaction. `postgres-shift` applies all that a directory holds in a single one, so it
 * is shown a directory that ends with this migration.
 */
async function applyOne(
  session: MigrationSession,
  directory: string,
  upTo: readonly Migration[],
  progress: MigrationProgress,
): Promise<void> {
  const migration = upTo.at(-1);
  if (migration === undefined) return;
  const staged = await mkdtemp(join(tmpdir(), 'scaivault-migrate-'));
  try {
    for (const each of upTo) await symlink(join(directory, each.folder), join(staged, each.folder));
    await shift({ sql: shiftAdapter(session, directory, migration, progress), path: staged });
  } finally {
    await rm(staged, { recursive: true });
  }
}

export function isLockTimeout(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === '55P03';
}

async function applyPatiently(
  session: MigrationSession,
  directory: string,
  upTo: readonly Migration[],
  progress: MigrationProgress,
  lockTimeoutMs: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await applyOne(session, directory, upTo, progress);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (attempt === LOCK_TRIES) {
        throw new MigrationBlocked(
          `Migration ${upTo.at(-1)?.folder} could not lock its tables within ${LOCK_TRIES} tries of ${lockTimeoutMs} ms. ` +
            'Find long transactions in pg_stat_activity, or run it at a quieter time.',
          { cause: error },
        );
      }
    }
  }
}

/**
 * Brings the schema to what this executable carries. Safe when started twice: one waits, then finds nothing to do.
 * @throws SchemaRefused when the database is ahead or an applied migration was changed; MigrationBlocked
 */
export async function migrate(
  session: MigrationSession,
  directory: string,
  version: string,
  progress: MigrationProgress = { waiting: () => {}, applying: () => {} },
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<MigrationOutcome> {
  return alone(session, progress.waiting, async () => {
    // Set after the lock was taken: waiting for another migrator is no reason to give up.
    await session.script(`SET lock_timeout = ${lockTimeoutMs}`);
    await session.script(CHECKSUMS);
    const schema = await inspectSchema(session, directory);
    const refusal = schemaRefusal(schema, version);
    if (refusal !== null) throw refusal;
    const known = await readMigrations(directory);
    const pending = schema.state === 'behind' ? schema.pending : [];
    for (const migration of pending) {
      progress.applying(migration);
      await applyPatiently(session, directory, known.slice(0, migration.id), progress, lockTimeoutMs);
    }
    return { applied: pending, pending: [] };
  });
}
