import { setTimeout as sleep } from 'node:timers/promises';
import { migrationsDirectory } from '../lib/assets.ts';
import { VERSION } from '../lib/version.ts';
import { inspectSchema, migrate, type SchemaState, schemaRefusal } from '../postgres/migrate.ts';
import type { MigrationSession } from '../postgres/migration-session.ts';
import type { Log } from '../telemetry/log.ts';

/** The schema is behind and this process may not change it: a migration job has to run. */
export class MigrationAwaited extends Error {
  override readonly name = 'MigrationAwaited';
  readonly hint = 'Run: scaivault migrate';
}

export interface SchemaRules {
  readonly migrateOnStart: boolean;
  readonly acceptSchemaAhead: boolean;
  readonly startTimeoutMs: number;
}

const POLL_MS = 1_000;

function atLeast(version: string, wanted: string): boolean {
  const parts = (text: string) => text.split('.').map(Number);
  const [a, b] = [parts(version), parts(wanted)];
  const differs = b.findIndex((part, index) => part !== a[index]);
  return differs < 0 || (a[differs] ?? 0) > (b[differs] ?? 0);
}

/** Ahead, but the newest migration still serves this release, and the operator has said so. */
function mayServeAhead(schema: SchemaState, rules: SchemaRules): boolean {
  return (
    schema.state === 'ahead' && rules.acceptSchemaAhead && schema.serves !== null && atLeast(VERSION, schema.serves)
  );
}

async function waitUntilMigrated(session: MigrationSession, rules: SchemaRules, log: Log): Promise<SchemaState> {
  const deadline = Date.now() + rules.startTimeoutMs;
  for (let attempt = 1; ; attempt++) {
    const schema = await inspectSchema(session, migrationsDirectory());
    if (schema.state !== 'behind') return schema;
    if (Date.now() >= deadline) {
      const behind = schema.pending.map((migration) => migration.folder).join(', ');
      throw new MigrationAwaited(`The database lacks migrations (${behind})`);
    }
    if (attempt === 1) log.info({}, 'waiting for somebody to run "scaivault migrate"');
    await sleep(POLL_MS);
  }
}

/**
 * Brings or waits for the schema that this executable needs.
 * @returns whether the database is ahead and serves us still
 * @throws SchemaRefused, MigrationBlocked, MigrationAwaited
 */
export async function passSchemaGate(
  session: MigrationSession,
  rules: SchemaRules,
  log: Log,
): Promise<{ readonly ahead: boolean }> {
  const found = await inspectSchema(session, migrationsDirectory());
  const schema =
    found.state === 'behind' && !rules.migrateOnStart ? await waitUntilMigrated(session, rules, log) : found;
  if (mayServeAhead(schema, rules)) {
    log.warn({ migration: String(schema.applied) }, 'the database was migrated by a newer release, which serves ours');
    return { ahead: true };
  }
  const refusal = schemaRefusal(schema, VERSION);
  if (refusal !== null) throw refusal;
  if (schema.state === 'behind') {
    await migrate(session, migrationsDirectory(), VERSION, {
      waiting: (seconds) => log.info({}, `waiting for another migrator, ${seconds} s so far`),
      applying: ({ folder }) => log.info({ migration: folder }, 'applying'),
      roleSkipped: (reason) => log.warn({}, reason),
    });
  }
  return { ahead: false };
}
