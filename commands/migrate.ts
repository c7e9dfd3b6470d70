import { Command, Option } from 'commander';
import { readEnvironment } from '../src/config/environment.ts';
import { loadConfig } from '../src/config/load.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import type { MigrationSession } from '../src/postgres/migration-session.ts';
import { addVariableFlags, variableFlags } from './flags.ts';
import type { MigrateReport } from './migrate-reports.ts';
import { jsonEnvelope, jsonLine, type Output, processOutput, withConfigErrors } from './output.ts';
import { CommandRefused, refusalOf, reportRefusal } from './refusals.ts';

const FLAGS = ['DATABASE_URL'] as const;
const HELP = `
Uses DATABASE_MIGRATE_URL where it is set, else DATABASE_URL. Safe to start twice: one waits, then finds nothing to do.

  --status   asks the database, and says what is pending
  --plan     the same, and shows the SQL with the tables it locks, found out by reading it
  --dry-run  runs it in one transaction and rolls that back; its locks are real for as long as it takes

Exit codes:
  0   the schema is what this release needs
  69  PostgreSQL cannot be reached, or stopped answering
  75  --status, --plan, --dry-run: migrations are pending; otherwise: a table was locked by others for too long
  78  the database is ahead of this release, the role cannot be a serving one, or the configuration is wrong

Examples:
  scaivault migrate
  scaivault migrate --status
  scaivault migrate --plan > review.txt
  scaivault migrate --app-role scaivault_app
  scaivault migrate --database-url postgresql://scaivault@db:5432/scaivault`;

interface Options {
  readonly status?: boolean;
  readonly plan?: boolean;
  readonly dryRun?: boolean;
  readonly appRole?: string;
  readonly json?: boolean;
}

async function report(session: MigrationSession, options: Options, output: Output): Promise<MigrateReport> {
  const reports = await import('./migrate-reports.ts');
  if (options.status) return reports.status(session);
  if (options.plan) return reports.plan(session, options.appRole ?? null);
  if (options.dryRun) return reports.dryRun(session, output);
  return reports.apply(session, options.appRole ?? null, output);
}

/** One way of looking at a time; and a name is a name. */
function refuseContradictions({ status, plan, dryRun, appRole }: Options): void {
  const given = [status && '--status', plan && '--plan', dryRun && '--dry-run'].filter((flag) => flag);
  const both = given.length > 1 ? given : appRole !== undefined && (status || dryRun) ? [...given, '--app-role'] : [];
  if (both.length > 0) throw usage(`${both.join(' and ')} cannot be given together`);
  if (appRole === '') throw usage('--app-role needs the name of a role');
}

function usage(message: string): CommandRefused {
  return new CommandRefused({ exit: EXIT.USAGE, code: 'usage', message, hint: 'scaivault migrate --help shows how.' });
}

/** `scaivault migrate`: brings the schema to what this release needs, or says how it stands. */
export function migrateCommand(output: Output = processOutput()): Command {
  const command = new Command('migrate')
    .description('Bring the database schema to what this release needs')
    .option('--status', 'only say whether migrations are pending')
    .option('--plan', 'only show what would be applied')
    .option('--dry-run', 'apply in a transaction and roll it back')
    .addOption(new Option('--app-role <name>', 'give this role what the server needs, now and with every migration'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  addVariableFlags(command, FLAGS);
  return command.action(async (options: Options) => {
    const { json = false } = options;
    const startedMs = output.nowMs();
    await withConfigErrors(output, json, async () => {
      try {
        refuseContradictions(options);
        const config = loadConfig('migrate', readEnvironment(), variableFlags(command, FLAGS));
        const { openMigrationSession } = await import('../src/postgres/session.ts');
        const session = await openMigrationSession(config.DATABASE_MIGRATE_URL ?? config.DATABASE_URL);
        const done = await report(session, options, output).finally(() => session.close());
        for (const warning of done.warnings) output.err(`Warning: ${warning}\n`);
        output.out(json ? jsonLine(document(done, startedMs, output.nowMs())) : `${done.text}\n`);
        output.exit(done.exitCode);
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === null) throw error;
        reportRefusal(refusal, output, json);
      }
    });
  });
}

function document({ exitCode, applied, pending, warnings, more }: MigrateReport, startedMs: number, endedMs: number) {
  const warned = warnings.length > 0;
  const envelope = jsonEnvelope({ command: 'migrate', startedMs, endedMs, exitCode, warnings: warned });
  return { ...envelope, applied, pending, ...(warned ? { warnings } : {}), ...more };
}
