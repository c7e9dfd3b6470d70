import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProgramEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
}

/** A program under trial, in a process group of its own, as a terminal would start it. */
export interface Program {
  /** What it has printed so far, both streams together. */
  output(): string;
  /** To the whole group, as Ctrl-C in a terminal does. */
  signal(signal: NodeJS.Signals): void;
  readonly end: Promise<ProgramEnd>;
}

const END_LIMIT_MS = 60_000;
const running = new Set<ChildProcess>();
// Nothing that is still running outlives the trial.
process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export function startProgram(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Program {
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  const collect = (chunk: string) => {
    output += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const end = new Promise<ProgramEnd>((resolve) => {
    child.on('error', (error) => collect(error.message));
    child.on('close', (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
  return { output: () => output, signal: (signal) => signalGroup(child, signal), end };
}

/** Runs a program to its end, which must come within a minute. */
export async function runProgram(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<ProgramEnd> {
  const program = startProgram(command, args, cwd, env);
  const late = setTimeout(() => program.signal('SIGKILL'), END_LIMIT_MS);
  const end = await program.end;
  clearTimeout(late);
  return end;
}

/** Waits until the server says that it is ready. @throws with what the program printed when it ends or takes too long */
export async function untilReady(program: Program, baseUrl: string, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  let ended = false;
  void program.end.then(() => {
    ended = true;
  });
  while (!ended && Date.now() < deadline) {
    const ready = await fetch(`${baseUrl}/v1/health/ready`).then(
      (response) => response.status === 200,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new Error(`${ended ? 'ended' : `not ready after ${limitMs / 1000} s`}; it printed:\n${program.output()}`);
}

/** Waits for an end that was asked for. */
export async function untilEnd(program: Program, limitMs: number): Promise<ProgramEnd> {
  const late = sleep(limitMs, undefined, { ref: false }).then(() => {
    throw new Error(`still running after ${limitMs / 1000} s; it printed:\n${program.output()}`);
  });
  return Promise.race([program.end, late]);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended.
  }
}
