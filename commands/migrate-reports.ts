/** The ways of `scaivault migrate`, each ending in a report for people and for machines. */
import { EXIT, type ExitCode } from '../src/contract/exit-codes.ts';
import { migrationsDirectory } from '../src/lib/assets.ts';
import { VERSION } from '../src/lib/version.ts';
import { assertAppRole, grantStatements, nameAppRole } from '../src/postgres/app-role.ts';
import { inspectSchema, type MigrationProgress, migrate, schemaRefusal } from '../src/postgres/migrate.ts';
import type { MigrationSession } from '../src/postgres/migration-session.ts';
import type { Migration } from '../src/postgres/migrations.ts';
import { type PlannedMigration, planOf } from '../src/postgres/plan.ts';
import { type RehearsedMigration, rehearse } from '../src/postgres/rehearsal.ts';
import { type TableLock, whoWaits } from '../src/postgres/table-locks.ts';
import type { Output } from './output.ts';

export interface MigrateReport {
  readonly exitCode: ExitCode;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly warnings: readonly string[];
  readonly text: string;
  /** Further members of the JSON document. */
  readonly more: Readonly<Record<string, unknown>>;
}

const foldersOf = (migrations: readonly Migration[]) => migrations.map(({ folder }) => folder);

async function pendingOf(session: MigrationSession): Promise<{ applied: number; pending: readonly Migration[] }> {
  const schema = await inspectSchema(session, migrationsDirectory());
  const refusal = schemaRefusal(schema, VERSION);
  if (refusal !== null) throw refusal;
  return { applied: schema.applied, pending: schema.state === 'behind' ? schema.pending : [] };
}

/** What all that only look have in common. */
function looked(pending: readonly Migration[], text: string, more: MigrateReport['more'] = {}): MigrateReport {
  const exitCode = pending.length === 0 ? EXIT.DONE : EXIT.TRY_AGAIN;
  return { exitCode, applied: [], pending: foldersOf(pending), warnings: [], text, more };
}

function standing(applied: number, pending: readonly Migration[]): string {
  if (pending.length === 0) return `Current: ${applied} migrations applied, none pending.`;
  return `Behind: ${applied} applied, ${pending.length} pending:`;
}

export async function status(session: MigrationSession): Promise<MigrateReport> {
  const { applied, pending } = await pendingOf(session);
  const names = foldersOf(pending).map((folder) => `  ${folder}`);
  return looked(pending, [standing(applied, pending), ...names].join('\n'));
}

function lockLines(locks: readonly TableLock[]): readonly string[] {
  if (locks.length === 0) return ['locks     none of the tables that exist already'];
  return locks.map(({ table, mode }) => `locks     ${table}: ${mode}; ${whoWaits(mode)} until it is done`);
}

function plannedText(each: PlannedMigration): string {
  const untold = each.untold.map((statement) => `locks     of this the text does not tell: ${statement}`);
  const facts = [
    `checksum  ${each.checksum}`,
    `serves    release ${each.serves} and later still run on the schema after it`,
    ...lockLines(each.locks),
    ...untold,
  ];
  // The shape of SQL comments, so that the whole may go into a reviewer's editor.
  return [`-- ${each.folder}`, ...facts.map((fact) => `--   ${fact}`), '', each.sql.trimEnd(), ''].join('\n');
}

const withModes = (locks: readonly TableLock[]) =>
  locks.map(({ table, mode }) => ({ table, mode, effect: whoWaits(mode) }));

/** @throws AppRoleRefused */
export async function plan(session: MigrationSession, appRole: string | null): Promise<MigrateReport> {
  const { applied, pending } = await pendingOf(session);
  if (appRole !== null) await assertAppRole(session, appRole);
  const planned = await planOf(migrationsDirectory(), pending);
  // What is not there yet cannot be looked at: the list is that of the schema after the migrations.
  const grants = appRole === null ? [] : await grantStatements(session, appRole, { afterMigrating: true });
  const granted = grants.length === 0 ? [] : [`-- grants to ${appRole}`, '', ...grants.map((grant) => `${grant};`), ''];
  const text = [`-- ${standing(applied, pending)}`, '', ...planned.map(plannedText), ...granted].join('\n').trimEnd();
  return looked(pending, text, {
    plan: planned.map(({ id, name, folder, checksum, serves, sql, locks, untold }) => ({
      ...{ id, name, folder, checksum, serves, sql },
      locks: withModes(locks),
      locks_untold: untold,
    })),
    ...(appRole === null ? {} : { app_role: appRole, grants }),
  });
}

function rehearsedText(each: RehearsedMigration): string {
  const facts = [`took      ${each.durationMs} ms`, ...lockLines(each.locks)];
  return [`  ${each.folder}`, ...facts.map((fact) => `    ${fact}`)].join('\n');
}

export async function dryRun(session: MigrationSession, output: Output): Promise<MigrateReport> {
  const rehearsed = await rehearse(session, migrationsDirectory(), VERSION, progressTo(output));
  const text =
    rehearsed.length === 0
      ? 'Nothing to do: the schema is current.'
      : ['Applied and rolled back:', ...rehearsed.map(rehearsedText)].join('\n');
  return looked(rehearsed, text, {
    rehearsed: rehearsed.map(({ folder, durationMs, locks }) => ({
      folder,
      duration_ms: durationMs,
      locks: withModes(locks),
    })),
  });
}

function progressTo(output: Output): MigrationProgress {
  return {
    waiting: (seconds) => output.err(`waiting for another migrator, ${seconds} s so far\n`),
    applying: (migration) => output.err(`applying ${migration.folder}\n`),
    roleSkipped: (reason) => output.err(`${reason}\n`),
  };
}

/** @throws SchemaRefused, MigrationBlocked, AppRoleRefused */
export async function apply(session: MigrationSession, appRole: string | null, output: Output): Promise<MigrateReport> {
  const progress = progressTo(output);
  // Before anything is changed: a name that is mistyped shall not be noticed at the end.
  if (appRole !== null) await assertAppRole(session, appRole);
  const { applied } = await migrate(session, migrationsDirectory(), VERSION, progress);
  const names = foldersOf(applied);
  const done = names.length === 0 ? 'Nothing to do: the schema is current.' : `Applied ${names.join(', ')}.`;
  const base = { exitCode: EXIT.DONE, applied: names, pending: [] };
  if (appRole === null) return { ...base, warnings: [], text: done, more: {} };
  const excess = await nameAppRole(session, appRole, progress.waiting);
  return {
    ...base,
    warnings: excess.length === 0 ? [] : [excessWarning(appRole, excess)],
    text: `${done}\nThe role ${appRole} has what the server needs, and gets what later migrations add.`,
    more: { app_role: appRole, excess },
  };
}

function excessWarning(role: string, excess: readonly string[]): string {
  return (
    `the role ${role} may do more than it needs, through PUBLIC or a role that it is a member of: ${excess.join(', ')}. ` +
    'Take that away there, for example: REVOKE CREATE ON SCHEMA public FROM PUBLIC'
  );
}
