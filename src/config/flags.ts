import { rowOf, VARIABLE_NAMES, type VariableName, type VariableTable } from './variables.ts';

type SecretName = {
  [Name in VariableName]: VariableTable[Name] extends { readonly secret: true } ? Name : never;
}[VariableName];

/** Variables that may be given as a flag: those that are not secret, and `DATABASE_URL` without its password. */
export type FlagName = Exclude<VariableName, SecretName> | 'DATABASE_URL';

/** What the command line says, in the spelling of the environment. */
export type Flags = Partial<Readonly<Record<FlagName, string>>>;

export function isFlagName(name: VariableName): name is FlagName {
  return name === 'DATABASE_URL' || rowOf(name).secret === undefined;
}

export const FLAG_NAMES: readonly FlagName[] = VARIABLE_NAMES.filter(isFlagName);

/** `DATABASE_POOL_MAX` is `--database-pool-max`. */
export function flagOf(name: FlagName): string {
  return `--${name.toLowerCase().replaceAll('_', '-')}`;
}
