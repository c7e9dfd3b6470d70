import { rowOf, type VariableName } from './variables.ts';

/** One thing that is wrong. Never holds a value from outside: a password is easily pasted into the wrong variable. */
export interface Problem {
  /** One of ours, or of the runtime's (`runtime.ts`). */
  readonly variable: string;
  /** The end of a sentence that begins with the variable's name. */
  readonly problem: string;
  /** A right value for the variable. */
  readonly example: string;
}

export function problemWith(variable: VariableName, problem: string, example = rowOf(variable).example): Problem {
  return { variable, problem, example };
}

/** `NAME: what is wrong. Example: NAME=...` */
export function problemLine({ variable, problem, example }: Problem): string {
  return `${variable}: ${problem}. Example: ${variable}=${example}`;
}

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'));
    this.problems = problems;
  }
}
