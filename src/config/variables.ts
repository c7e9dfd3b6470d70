import type { Secret } from '../lib/secret.ts';
import type { Kind } from './kinds/kind.ts';
import { CLIENT } from './sections/client.ts';
import { CORE } from './sections/core.ts';
import { IDENTITY } from './sections/identity.ts';
import { KMS, KMS_SECONDARY } from './sections/kms.ts';
import { RATE_LIMITS } from './sections/rate-limits.ts';
import { OBJECT_STORAGE } from './sections/storage.ts';
import type { CommandName, Section, Variable } from './variable.ts';

/** The sections in the order in which they are printed and documented. */
export const SECTIONS: readonly { readonly title: string; readonly about: string; readonly variables: Section }[] = [
  { title: 'Core', about: 'Databases, network, life of the process, logs, retention.', variables: CORE },
  { title: 'Identity', about: 'Who signs tokens, and how their claims are read.', variables: IDENTITY },
  {
    title: 'Key management',
    about:
      'One provider, with the variables that begin with its name. The cloud signs us in by its standard mechanism.',
    variables: KMS,
  },
  {
    title: 'Secondary key management',
    about: 'For fail-over. A variable left out is that of the primary.',
    variables: KMS_SECONDARY,
  },
  { title: 'Object storage', about: 'Optional.', variables: OBJECT_STORAGE },
  {
    title: 'Rate limits',
    about: 'Per identity and category: `N/min`, `N/s`, `N/min:BURST` or `off`, up to 1000000000 a minute.',
    variables: RATE_LIMITS,
  },
  { title: 'Client', about: 'For commands that talk to a server.', variables: CLIENT },
];

/** The one table of variables. Types of the configuration are inferred from it. */
export const VARIABLES = {
  ...CORE,
  ...IDENTITY,
  ...KMS,
  ...KMS_SECONDARY,
  ...OBJECT_STORAGE,
  ...RATE_LIMITS,
  ...CLIENT,
} as const;

export type VariableTable = typeof VARIABLES;
export type VariableName = keyof VariableTable;

export const VARIABLE_NAMES = Object.keys(VARIABLES) as readonly VariableName[];

export function isVariableName(name: string): name is VariableName {
  return Object.hasOwn(VARIABLES, name);
}

/** The row without its narrow type, for code that treats all variables alike. */
export function rowOf(name: VariableName): Variable {
  return VARIABLES[name];
}

/** Whether a command cannot do without a variable. */
export function requires(command: CommandName, name: VariableName): boolean {
  return rowOf(name).requiredBy?.includes(command) ?? false;
}

type ValueOf<Row> = Row extends { readonly kind: Kind<infer T> }
  ? Row extends { readonly secret: true }
    ? Secret<T>
    : T
  : never;

type Setting<Command extends CommandName, Row> = Row extends { readonly default: string }
  ? ValueOf<Row>
  : Row extends { readonly requiredBy: readonly (infer Required)[] }
    ? Command extends Required
      ? ValueOf<Row>
      : ValueOf<Row> | undefined
    : ValueOf<Row> | undefined;

/** What a command gets: a variable without a default that it does not require may be undefined. */
export type SettingsFor<Command extends CommandName> = {
  readonly [Name in VariableName]: Setting<Command, VariableTable[Name]>;
};
