import { type Program, type ProgramEnd, runProgram, startProgram } from '../program.ts';

/** One of the two things that `make build` makes, lying alone in an empty directory. */
export interface Artefact {
  readonly name: string;
  readonly command: string;
  /** What comes before the arguments of ScaiVault. */
  readonly before: readonly string[];
  /** Where it lies, and where it is run. */
  readonly directory: string;
}

/** @returns a remark for the line that says that it went well */
export type Check = (artefact: Artefact) => Promise<string | undefined>;

/** Runs it to its end, with no environment but the one given. */
export function run(artefact: Artefact, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramEnd> {
  return runProgram(artefact.command, [...artefact.before, ...args], artefact.directory, env);
}

export function start(artefact: Artefact, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  return startProgram(artefact.command, [...artefact.before, ...args], artefact.directory, env);
}
