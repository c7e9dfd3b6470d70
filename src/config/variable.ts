import type { Kind } from './kinds/kind.ts';

/** Subcommands that read the configuration. A later one is one more word here, and in the rows that it requires. */
export type CommandName = 'serve' | 'dev' | 'migrate' | 'config';

/** One row of the table of variables: everything that anybody needs to know about it. */
export interface Variable {
  readonly kind: Kind<unknown>;
  /** In the spelling of the environment. Absent: unset. */
  readonly default?: string;
  /** Its value is wrapped, never shown, may come from `NAME_FILE`, and has no flag. */
  readonly secret?: true;
  /** The subcommands that cannot do without it. */
  readonly requiredBy?: readonly CommandName[];
  /** One line of Markdown for `docs/configuration.md`. */
  readonly meaning: string;
  /** A right value, shown beside every problem. A test parses it. */
  readonly example: string;
}

export type Section = Readonly<Record<string, Variable>>;
