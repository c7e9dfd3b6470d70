import { Command } from 'commander';
import { readEnvironment } from '../src/config/environment.ts';
import { loadConfig } from '../src/config/load.ts';
import { EXIT, type ExitCode } from '../src/contract/exit-codes.ts';
import { migrationsDirectory } from '../src/lib/assets.ts';
import { VERSION } from '../src/lib/version.ts';
import type { MigrationProgress, MigrationSession } from '../src/postgres/migrate.ts';
import { addVariableFlags, variableFlags } from './flags.ts';
import { jsonEnvelope, jsonLine, type Output, processOutput, withConfigErrors } from './output.ts';
import { refusalOf, reportRefusal } from './refusals.ts';

const FLAGS = ['DATABASE_URL'] as const;
const HELP = `
Uses DATABASE_MIGRATE_URL where it is set, else DATABASE_URL. Safe to start twice: one waits, then finds nothing to do.

Exit codes:
  0   the schema is what this release needs
  69  PostgreSQL cannot be reached
  75  --status, --dry-run: migrations are pending; otherwise: a table was locked by others for too long
  78  the database is ahead of this release, or the configuration is wrong

Examples:
  scaivault migrate
  scaivault migrate --status
  scaivault migrate --dry-run --json
  scaivault migrate --database-url postgresql://scaivault@db:5432/scaivault`;

interface Options {
  readonly status?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface Report {
  readonly exitCode: ExitCode;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly text: string;
}

async function inspect(session: MigrationSession): Promise<Report> {
  const { inspectSchema, schemaRefusal } = await import('../src/postgres/migrate.ts');
  const schema = await inspectSchema(session, migrationsDirectory());
  const pending = schema.state === 'behind' ? schema.pending.map((migration) => migration.folder) : [];
  const refusal = schemaRefusal(schema, VERSION);
  if (refusal !== null) throw refusal;
  const text =
    pending.length === 0
      ? `Current: ${schema.applied} migrations applied, none pending.`
      : `Behind: ${schema.applied} applied, ${pending.length} pending:\n${pending.map((name) => `  ${name}`).join('\n')}`;
  return { exitCode: pending.length === 0 ? EXIT.DONE : EXIT.TRY_AGAIN, applied: [], pending, text };
}

async function apply(session: MigrationSession, output: Output): Promise<Report> {
  const { migrate } = await import('../src/postgres/migrate.ts');
  const progress: MigrationProgress = {
    waiting: (seconds) => output.err(`waiting for another migrator, ${seconds} s so far\n`),
    applying: (migration) => output.err(`applying ${migration.folder}\n`),
  };
  const { applied } = await migrate(session, migrationsDirectory(), VERSION, progress);
  const names = applied.map((migration) => migration.folder);
  const text = names.length === 0 ? 'Nothing to do: the schema is current.' : `Applied ${names.join(', ')}.`;
  return { exitCode: EXIT.DONE, applied: names, pending: [], text };
}

/** `scaivault migrate`: brings the schema to what this release needs, or says how it stands. */
export function migrateCommand(output: Output = processOutput()): Command {
  const command = new Command('migrate')
    .description('Bring the database schema to what this release needs')
    .option('--status', 'only say whether migrations are pending')
    .option('--dry-run', 'only list what would be applied')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  addVariableFlags(command, FLAGS);
  return command.action(async ({ status = false, dryRun = false, json = false }: Options) => {
    const startedMs = output.nowMs();
    await withConfigErrors(output, json, async () => {
      const config = loadConfig('migrate', readEnvironment(), variableFlags(command, FLAGS));
      try {
        const { openMigrationSession } = await import('../src/postgres/session.ts');
        const session = await openMigrationSession(config.DATABASE_MIGRATE_URL ?? config.DATABASE_URL);
        const report = await (status || dryRun ? inspect(session) : apply(session, output)).finally(() =>
          session.close(),
        );
        const { exitCode, applied, pending } = report;
        if (json) {
          const envelope = jsonEnvelope({ command: 'migrate', startedMs, endedMs: output.nowMs(), exitCode });
          output.out(jsonLine({ ...envelope, applied, pending }));
        } else output.out(`${report.text}\n`);
        output.exit(exitCode);
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === null) throw error;
        reportRefusal(refusal, output, json);
      }
    });
  });
}
