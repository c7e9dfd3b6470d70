import { RATE_CATEGORIES, type RateCategory } from '../contract/route.ts';
import { deepFreeze } from '../lib/freeze.ts';
import { crossProblems } from './checks.ts';
import type { Environment } from './environment.ts';
import type { Flags } from './flags.ts';
import type { RateLimit } from './kinds/rates.ts';
import type { Source } from './origin.ts';
import { ConfigError, type Problem } from './problems.ts';
import { releaseProblems, releaseWarnings } from './release.ts';
import { runtimeProblems, runtimeWarnings } from './runtime.ts';
import { readSettings, type Setting, type Settings } from './settings.ts';
import { unknownVariables } from './unknown.ts';
import type { CommandName } from './variable.ts';
import { type SettingsFor, VARIABLE_NAMES, type VariableName } from './variables.ts';

interface Derived {
  /** All categories; every one is `off` with `RATE_LIMIT_ENABLED=false`. */
  readonly RATE_LIMITS: Readonly<Record<RateCategory, RateLimit>>;
  /** Of whole tenants; off with the others. */
  readonly RATE_CEILINGS: Readonly<Record<RateCategory, RateLimit>>;
  /** Where each value came from. Null: unset. */
  readonly sources: Readonly<Record<VariableName, Source | null>>;
  /** Sentences for the operator; printed or logged by the caller. */
  readonly warnings: readonly string[];
}

/**
 * The whole configuration of a command, frozen, keyed by variable name. Durations are milliseconds, sizes are bytes,
 * secrets are wrapped.
 */
export type ConfigFor<Command extends CommandName> = SettingsFor<Command> & Derived;

/** Everything found out about a configuration, right or wrong. */
export interface Examination {
  readonly settings: Settings;
  /** In the order of the table. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Judges what `command` would get, without refusing anything. Reads the files that `NAME_FILE` variables name. */
export function examine(command: CommandName, env: Environment, flags: Flags = {}): Examination {
  const settings = readSettings(command, env, flags);
  const own = settings.all.map((setting) => setting.problem).filter((problem) => problem !== null);
  const between = [...releaseProblems(settings), ...crossProblems(command, settings)];
  const told = new Set(own.map((problem) => problem.variable));
  const ours = [...own, ...between.filter((problem) => !told.has(problem.variable))];
  const place = ({ variable }: Problem) => (VARIABLE_NAMES as readonly string[]).indexOf(variable);
  const problems = [...runtimeProblems(command, env), ...ours.sort((a, b) => place(a) - place(b))];
  const notes = settings.all.map((setting) => setting.warning).filter((warning) => warning !== null);
  return {
    settings,
    problems,
    warnings: [...runtimeWarnings(command, env), ...unknownVariables(env), ...notes, ...releaseWarnings(settings)],
  };
}

function byName<T>(settings: Settings, pick: (setting: Setting) => T): Readonly<Record<VariableName, T>> {
  return Object.fromEntries(settings.all.map((setting) => [setting.name, pick(setting)])) as Record<VariableName, T>;
}

function rateLimits({ value }: Settings, prefix: 'RATE_LIMIT_' | 'RATE_LIMIT_TENANT_'): Derived['RATE_LIMITS'] {
  const enabled = value('RATE_LIMIT_ENABLED') !== false;
  const limits = RATE_CATEGORIES.map((category) => [category, enabled ? value(`${prefix}${category}`) : 'off']);
  return Object.fromEntries(limits) as Derived['RATE_LIMITS'];
}

/**
 * Reads the configuration of a command, once, at its start.
 *
 * @param env from `readEnvironment()`
 * @param flags override the variables they name
 * @throws ConfigError with every problem at once; it holds no value from outside
 */
export function loadConfig<Command extends CommandName>(
  command: Command,
  env: Environment,
  flags: Flags = {},
): ConfigFor<Command> {
  const { settings, problems, warnings } = examine(command, env, flags);
  if (problems.length > 0) throw new ConfigError(problems);
  const config = {
    ...byName(settings, (setting) => setting.value),
    RATE_LIMITS: rateLimits(settings, 'RATE_LIMIT_'),
    RATE_CEILINGS: rateLimits(settings, 'RATE_LIMIT_TENANT_'),
    sources: byName(settings, (setting) => setting.source),
    warnings,
  };
  // Each value came out of the parser, and passed the requirement, from which its type is inferred.
  return deepFreeze(config) as unknown as ConfigFor<Command>;
}
