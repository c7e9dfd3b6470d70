import { type Migration, readSql } from './migrations.ts';
import { type ReadLocks, readLocks } from './table-locks.ts';

/** What a migration would do, found out by reading it. */
export interface PlannedMigration extends Migration, ReadLocks {
  readonly sql: string;
}

/** Reads the migrations that are pending, in their order. The database is not asked. */
export async function planOf(directory: string, pending: readonly Migration[]): Promise<readonly PlannedMigration[]> {
  const planned: PlannedMigration[] = [];
  const isNew = new Set<string>();
  for (const migration of pending) {
    const sql = await readSql(directory, migration);
    planned.push({ ...migration, sql, ...readLocks(sql, isNew) });
  }
  return planned;
}
