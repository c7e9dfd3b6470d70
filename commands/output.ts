import { ConfigError, problemLine } from '../src/config/problems.ts';
import { EXIT, type ExitCode } from '../src/contract/exit-codes.ts';
import { isoMillis } from '../src/lib/clock.ts';
import { VERSION } from '../src/lib/version.ts';

/** What a command may do to the outside, so that a test can listen. */
export interface Output {
  /** Results. With `--json` exactly one document, at the end. */
  out(text: string): void;
  /** Progress, warnings, errors. */
  err(text: string): void;
  /** Sets the exit code; what was written is still flushed. */
  exit(code: ExitCode): void;
  nowMs(): number;
  /** Whether a person reads the results. */
  readonly isTerminal?: boolean;
}

export function processOutput(): Output {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    exit: (code) => {
      process.exitCode = code;
    },
    nowMs: () => Date.now(),
    isTerminal: process.stdout.isTTY === true,
  };
}

export interface Run {
  readonly command: string;
  /** Milliseconds since the epoch, both. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly exitCode: ExitCode;
  readonly warnings?: boolean;
}

/** The members that every `--json` document has (spec 01). */
export function jsonEnvelope({ command, startedMs, endedMs, exitCode, warnings = false }: Run) {
  const ok = exitCode === EXIT.DONE || exitCode === EXIT.WARNINGS;
  const status = !ok ? 'failed' : warnings || exitCode === EXIT.WARNINGS ? 'warnings' : 'passed';
  return {
    command,
    ok,
    status,
    exit_code: exitCode,
    started_at: isoMillis(startedMs),
    duration_ms: endedMs - startedMs,
    version: VERSION,
  };
}

/** The document of an error under `--json`. */
export function failure(code: string, message: string, hint: string) {
  return { ok: false, error: { code, message, hint } };
}

export function jsonLine(document: unknown): string {
  return `${JSON.stringify(document)}\n`;
}

/** Says on stderr what is wrong with the configuration, one problem a line, and under `--json` once more on stdout. */
export function reportConfigError(error: ConfigError, output: Output, json = false): void {
  const lines = error.problems.map(problemLine);
  output.err(`${lines.join('\n')}\n`);
  if (json) {
    const hint = 'Correct the variables, then look at the result with: scaivault config';
    output.out(jsonLine(failure('configuration', lines.join('\n'), hint)));
  }
  output.exit(EXIT.CONFIGURATION);
}

/** Runs a command's work; a bad configuration is reported and ends with 78, anything else is thrown on. */
export async function withConfigErrors(output: Output, json: boolean, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reportConfigError(error, output, json);
  }
}
