import { grantRememberedRoles } from './app-role.ts';
import {
  CHECKSUMS,
  inspectSchema,
  isLockTimeout,
  LOCK_TIMEOUT_MS,
  MigrationBlocked,
  type MigrationProgress,
  schemaRefusal,
} from './migrate.ts';
import { alone } from './migration-lock.ts';
import type { MigrationSession } from './migration-session.ts';
import { type Migration, readSql } from './migrations.ts';
import { heldLocks, type TableLock, tableIds } from './table-locks.ts';

export interface RehearsedMigration extends Migration {
  readonly durationMs: number;
  /** As PostgreSQL showed them, on tables that were there before the rehearsal. */
  readonly locks: readonly TableLock[];
}

async function rehearseOne(
  session: MigrationSession,
  directory: string,
  migration: Migration,
  before: ReadonlySet<number>,
): Promise<RehearsedMigration> {
  const started = performance.now();
  await session.script(await readSql(directory, migration));
  const durationMs = Math.round(performance.now() - started);
  return { ...migration, durationMs, locks: await heldLocks(session, before) };
}

/**
 * Applies all that is pending in one transaction and rolls it back. Locks are held until then, so on a live database
 * others may have to wait: a copy, or a quiet hour, is the place for it.
 * @throws SchemaRefused, MigrationBlocked, and what a migration throws
 */
export async function rehearse(
  session: MigrationSession,
  directory: string,
  version: string,
  progress: MigrationProgress,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<readonly RehearsedMigration[]> {
  return alone(session, progress.waiting, async () => {
    const schema = await inspectSchema(session, directory);
    const refusal = schemaRefusal(schema, version);
    if (refusal !== null) throw refusal;
    if (schema.state !== 'behind') return [];
    await session.script(`SET lock_timeout = ${lockTimeoutMs}; BEGIN`);
    try {
      const before = await tableIds(session);
      await session.script(CHECKSUMS);
      const rehearsed: RehearsedMigration[] = [];
      for (const migration of schema.pending) {
        progress.applying(migration);
        rehearsed.push(await rehearseOne(session, directory, migration, before));
      }
      await grantRememberedRoles(session, (reason) => progress.roleSkipped?.(reason));
      return rehearsed;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      throw new MigrationBlocked(
        `A table could not be locked within ${lockTimeoutMs} ms. ` +
          'Find long transactions in pg_stat_activity, or rehearse on a copy.',
        { cause: error },
      );
    } finally {
      // Where it fails the connection is gone, which rolls back too.
      await session.script('ROLLBACK').catch(() => {});
    }
  });
}
