import { type Command, Option } from 'commander';
import { type FlagName, type Flags, flagOf } from '../src/config/flags.ts';
import { rowOf } from '../src/config/variables.ts';

/** Backticks are for the documentation. */
function plain(markdown: string): string {
  return markdown.replaceAll('`', '');
}

function valueOption(name: FlagName): Option {
  const names = name === 'BIND_ADDRESS' ? `--bind, ${flagOf(name)}` : flagOf(name);
  return new Option(`${names} <value>`, `${plain(rowOf(name).meaning)} (${name})`);
}

function noMigrate(): Option {
  return new Option('--no-migrate', 'Only check the database, never migrate it (MIGRATE_ON_START=false)');
}

/** Adds the flags of these variables. `hidden` keeps them out of `--help`, where a command takes very many. */
export function addVariableFlags(command: Command, names: readonly FlagName[], { hidden = false } = {}): Command {
  for (const name of names) {
    command.addOption(valueOption(name).hideHelp(hidden));
    if (name === 'MIGRATE_ON_START') command.addOption(noMigrate().hideHelp(hidden));
  }
  return command;
}

/** What was given on the command line, for `loadConfig`. */
export function variableFlags(command: Command, names: readonly FlagName[]): Flags {
  const given: Partial<Record<FlagName, string>> = {};
  for (const name of names) {
    const value: unknown = command.getOptionValue(valueOption(name).attributeName());
    if (typeof value === 'string') given[name] = value;
  }
  if (names.includes('MIGRATE_ON_START') && command.getOptionValue('migrate') === false)
    given.MIGRATE_ON_START = 'false';
  return given;
}
