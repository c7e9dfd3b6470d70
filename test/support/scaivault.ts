import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ENTRY = join(import.meta.dirname, '../../bin/scaivault.ts');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `scaivault` process of its own, from the sources, with no environment but the one given. */
export interface Scaivault {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until `text` stands in the standard output. @throws Error with both outputs when it ends or takes too long */
  says(text: string | RegExp, limitMs?: number): Promise<void>;
  /** URL of a `serve` that has said that it is ready. */
  ready(limitMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** Stripping types takes half of a start, so it is done once a run; a measurement of coverage would suffer from it. */
function compilation(): Readonly<Record<string, string>> {
  const { NODE_V8_COVERAGE: coverage, TEST_TEMP_DIR: temporary } = process.env;
  if (coverage) return { NODE_V8_COVERAGE: coverage };
  return temporary ? { NODE_COMPILE_CACHE: join(temporary, 'compile-cache') } : {};
}

export function scaivault(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: { readonly cwd?: string; readonly entry?: readonly string[] } = {},
): Scaivault {
  const [program = process.execPath, ...before] = options.entry ?? [process.execPath, ENTRY];
  const child = spawn(program, [...before, ...args], {
    env: {
      PATH: process.env.PATH,
      ...compilation(),
      ...env,
    },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    out.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    out.stderr += chunk;
  });
  const finished = once(child, 'close').then(([code, signal]) => ({ code, signal, ...out }) as Finished);
  let ended = false;
  void finished.then(() => {
    ended = true;
  });

  async function says(text: string | RegExp, limitMs = 15_000): Promise<void> {
    const found = () => (typeof text === 'string' ? out.stdout.includes(text) : text.test(out.stdout));
    for (const deadline = Date.now() + limitMs; !found(); await sleep(20)) {
      if (ended || Date.now() > deadline) {
        throw new Error(`never said ${text}\n--- stdout\n${out.stdout}\n--- stderr\n${out.stderr}`);
      }
    }
  }

  return {
    process: child,
    pid: child.pid ?? -1,
    stdout: () => out.stdout,
    stderr: () => out.stderr,
    says,
    ready: async (limitMs) => {
      await says(/"address":"[^"]+".*"msg":"ready"|listening {2}http/, limitMs);
      const port = /"address":"[^"]*:(\d+)"[^\n]*"msg":"ready"|listening {2}http:\/\/[^\n]*:(\d+)/.exec(out.stdout);
      return `http://127.0.0.1:${port?.[1] ?? port?.[2]}`;
    },
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    finished,
  };
}

/** Runs a command to its end. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: { readonly cwd?: string; readonly entry?: readonly string[] } = {},
): Promise<Finished> {
  return scaivault(args, env, options).finished;
}
