import { Command } from 'commander';
import { type Environment, readEnvironment } from '../src/config/environment.ts';
import { FLAG_NAMES } from '../src/config/flags.ts';
import { type Examination, examine } from '../src/config/load.ts';
import { problemLine } from '../src/config/problems.ts';
import type { Setting } from '../src/config/settings.ts';
import { EXIT, type ExitCode } from '../src/contract/exit-codes.ts';
import { addVariableFlags, variableFlags } from './flags.ts';
import { jsonEnvelope, jsonLine, type Output, processOutput } from './output.ts';

const HELP = `
Reads what "scaivault serve" would read and opens nothing. Secrets are shown as ********.
It takes every flag that "scaivault serve" takes, to show what that would change.

Exit codes:
  0   serve could start with this configuration
  78  it could not: every problem is printed, one a line

Examples:
  scaivault config
  scaivault config --all
  scaivault config --json | jq .values.BIND_ADDRESS
  scaivault config --bind 127.0.0.1:8443 --no-migrate`;

interface Options {
  readonly all?: boolean;
  readonly json?: boolean;
}

function cells({ name, source, shown, problem }: Setting): readonly [string, string, string] {
  if (problem !== null && source !== null) return [name, '(not valid)', source];
  // A JSON value may hold line breaks, which would break the table.
  return [name, shown === null ? '-' : shown.replace(/\s+/g, ' '), source ?? 'unset'];
}

function table(settings: readonly Setting[]): string {
  const rows = [['VARIABLE', 'VALUE', 'SOURCE'] as const, ...settings.map(cells)];
  const [first, second] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(([name, value, source]) => `${name.padEnd(first ?? 0)}  ${value.padEnd(second ?? 0)}  ${source}\n`)
    .join('');
}

function visible({ settings }: Examination, all: boolean): readonly Setting[] {
  return settings.all.filter((setting) => all || setting.source !== null);
}

function document(examination: Examination, all: boolean): object {
  const values = visible(examination, all).map(({ name, shown, source }) => [name, { value: shown, source }]);
  const { problems, warnings } = examination;
  return { values: Object.fromEntries(values), problems, warnings };
}

function printForPeople(examination: Examination, all: boolean, output: Output): void {
  const { problems, warnings } = examination;
  output.out(table(visible(examination, all)));
  if (warnings.length > 0) output.err(`\nWarnings:\n${warnings.map((line) => `  ${line}\n`).join('')}`);
  if (problems.length === 0) return;
  output.err(
    `\nscaivault serve could not start with this configuration:\n${problems.map((p) => `  ${problemLine(p)}\n`).join('')}`,
  );
}

/** `scaivault config`: the effective configuration of `serve`. A problem is a finding here, not a refusal. */
export function configCommand(env: Environment = readEnvironment(), output: Output = processOutput()): Command {
  const command = new Command('config')
    .description('Show the effective configuration and everything that is wrong with it')
    .option('--all', 'also list variables that are not set')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  addVariableFlags(command, FLAG_NAMES, { hidden: true });
  return command.action(({ all = false, json = false }: Options) => {
    const startedMs = output.nowMs();
    const examination = examine('serve', env, variableFlags(command, FLAG_NAMES));
    const exitCode: ExitCode = examination.problems.length === 0 ? EXIT.DONE : EXIT.CONFIGURATION;
    if (json) {
      const run = { command: 'config', startedMs, endedMs: output.nowMs(), exitCode };
      const envelope = jsonEnvelope({ ...run, warnings: examination.warnings.length > 0 });
      output.out(jsonLine({ ...envelope, ...document(examination, all) }));
    } else {
      printForPeople(examination, all, output);
    }
    output.exit(exitCode);
  });
}
