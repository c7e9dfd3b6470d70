import type { Environment } from './environment.ts';
import { type Flags, flagOf, isFlagName } from './flags.ts';
import { hasPassword } from './kinds/databases.ts';
import { Invalid } from './kinds/kind.ts';
import { readSecretFile } from './secret-file.ts';
import type { Variable } from './variable.ts';
import { rowOf, type VariableName } from './variables.ts';

/** Where a value came from. */
export type Source = 'default' | 'environment' | 'file' | 'flag';

/** The text of a variable before it is parsed; `null` stands for unset. */
export interface Given {
  readonly source: Source | null;
  readonly text: string | null;
  /** Something worth a warning, as the end of a sentence that begins with the variable's name. */
  readonly note?: string;
}

const UNSET: Given = { source: null, text: null };

/** An empty value counts as unset, everywhere. */
function present(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function fromFlag(name: VariableName, flags: Flags): Given | null {
  if (!isFlagName(name)) return null;
  const text = present(flags[name]);
  if (text === null) return null;
  if (name === 'DATABASE_URL' && hasPassword(text)) {
    throw new Invalid(
      `must not hold a password, and be a URL, as the flag ${flagOf(name)}: everybody on this machine can read a command line; use DATABASE_URL or DATABASE_URL_FILE`,
    );
  }
  return { source: 'flag', text };
}

function fromFile(name: VariableName, row: Variable, env: Environment): Given | null {
  const path = row.secret === undefined ? null : present(env[`${name}_FILE`]);
  if (path === null) return null;
  if (present(env[name]) !== null) throw new Invalid(`is set, and so is ${name}_FILE: leave one of them out`);
  try {
    const text = present(readSecretFile(path));
    return text === null
      ? { ...UNSET, note: `counts as unset: ${name}_FILE names an empty file` }
      : { source: 'file', text };
  } catch (error) {
    if (error instanceof Invalid) throw new Invalid(`has a companion ${name}_FILE that ${error.message}`);
    throw error;
  }
}

/**
 * Finds what was given for a variable: the flag, else the environment or the secret's file, else the default.
 *
 * @throws Invalid when what was given contradicts itself or cannot be read
 */
export function findGiven(name: VariableName, env: Environment, flags: Flags): Given {
  const row = rowOf(name);
  const flag = fromFlag(name, flags);
  if (flag !== null) return flag;
  const file = fromFile(name, row, env);
  if (file !== null) return file;
  const text = present(env[name]);
  if (text !== null) return { source: 'environment', text };
  return row.default === undefined ? UNSET : { source: 'default', text: row.default };
}
