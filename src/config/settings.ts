import { deepFreeze } from '../lib/freeze.ts';
import { Secret } from '../lib/secret.ts';
import type { Environment } from './environment.ts';
import { type Flags, isFlagName } from './flags.ts';
import { Invalid } from './kinds/kind.ts';
import { findGiven, type Given, type Source } from './origin.ts';
import { type Problem, problemWith } from './problems.ts';
import type { CommandName } from './variable.ts';
import { requires, rowOf, type SettingsFor, VARIABLE_NAMES, type VariableName } from './variables.ts';

/** What became of one variable. */
export interface Setting {
  readonly name: VariableName;
  /** Null: unset. */
  readonly source: Source | null;
  /** For people: the text as it was given, or stars. Null: unset or not valid. */
  readonly shown: string | null;
  /** Wrapped where the variable is secret. Undefined: unset or not valid. */
  readonly value: unknown;
  readonly problem: Problem | null;
  readonly warning: string | null;
}

const STARS = '********';

/** @throws Invalid; nothing else, as the messages of other errors may quote the text */
function parse(name: VariableName, text: string): unknown {
  const { kind, secret } = rowOf(name);
  let value: unknown = null;
  try {
    value = kind.parse(text);
  } catch (error) {
    if (error instanceof Invalid) throw error;
  }
  if (value === null) throw new Invalid(`must be ${kind.form}`);
  deepFreeze(value);
  return secret ? new Secret(value) : value;
}

function settle(command: CommandName, name: VariableName, { source, text, note }: Given): Setting {
  const missing = text === null && requires(command, name);
  if (missing) throw new Invalid(note ?? `is not set, and ${command} needs it`);
  const warning = note === undefined ? null : `${name} ${note}.`;
  if (text === null) return { name, source, shown: null, value: undefined, problem: null, warning };
  const value = parse(name, text);
  return { name, source, shown: value instanceof Secret ? STARS : text, value, problem: null, warning };
}

/** Finds, parses and judges one variable by itself; what is wrong becomes its `problem`. */
export function readSetting(command: CommandName, name: VariableName, env: Environment, flags: Flags): Setting {
  let given: Given | null = null;
  try {
    given = findGiven(name, env, flags);
    return settle(command, name, given);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    const source = given !== null ? given.source : isFlagName(name) && flags[name] ? 'flag' : 'environment';
    return { name, source, shown: null, value: undefined, problem: problemWith(name, error.message), warning: null };
  }
}

/** All variables together, as the checks between them see them. */
export interface Settings {
  /** Whether somebody gave the variable, validly or not; a default is nobody's. */
  readonly given: (name: VariableName) => boolean;
  /** Undefined: unset or not valid, which has its own problem already. */
  readonly value: <Name extends VariableName>(name: Name) => SettingsFor<'config'>[Name] | undefined;
  readonly all: readonly Setting[];
}

export function readSettings(command: CommandName, env: Environment, flags: Flags): Settings {
  const all = VARIABLE_NAMES.map((name) => readSetting(command, name, env, flags));
  const byName = new Map(all.map((setting) => [setting.name, setting]));
  return {
    all,
    given: (name) => !['default', null, undefined].includes(byName.get(name)?.source),
    // The value came out of the parser from which the type of its name is inferred.
    value: <Name extends VariableName>(name: Name) =>
      byName.get(name)?.value as SettingsFor<'config'>[Name] | undefined,
  };
}
