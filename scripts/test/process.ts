import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { readSummary } from './summary.ts';

/** What one test file came to. */
export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly ms: number;
  /** What is wrong with the file as a whole, in words. */
  readonly problem: string | undefined;
  readonly output: string;
}

export interface Limits {
  /** For the whole file. */
  readonly timeoutMs: number;
  /** From the last test's end to the end of the process. */
  readonly exitMs: number;
}

/** Runs one test file in a process, and a process group, of its own. Nothing of it is left when this resolves. */
export async function runFile(
  file: string,
  env: NodeJS.ProcessEnv,
  limits: Limits,
  abort: AbortSignal,
): Promise<FileResult> {
  const started = performance.now();
  const child = spawn(process.execPath, [file], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let problem: string | undefined;
  let leakTimer: NodeJS.Timeout | undefined;

  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The whole group has ended.
    }
  };
  const giveUp = (reason: string) => {
    problem ??= reason;
    killGroup();
  };
  const listen = (chunk: string) => {
    output += chunk;
    if (leakTimer !== undefined || readSummary(output) === undefined) return;
    const reason = `did not end within ${limits.exitMs / 1000} s of its last test: a handle (server, socket, timer) is still open`;
    leakTimer = setTimeout(() => giveUp(reason), limits.exitMs);
  };
  child.stdout.setEncoding('utf8').on('data', listen);
  child.stderr.setEncoding('utf8').on('data', listen);
  const fileTimer = setTimeout(() => giveUp(`timed out after ${limits.timeoutMs / 1000} s`), limits.timeoutMs);
  const onAbort = () => giveUp('interrupted');
  abort.addEventListener('abort', onAbort);

  // A program that the test left behind would hold the pipes open, so it ends with the test itself.
  child.on('exit', killGroup);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('error', (error) => giveUp(error.message));
    child.on('close', (...how) => resolve(how));
  });
  clearTimeout(fileTimer);
  clearTimeout(leakTimer);
  abort.removeEventListener('abort', onAbort);
  return judge(file, output, problem ?? describeEnd(code, signal), performance.now() - started);
}

function describeEnd(code: number | null, signal: string | null): string | undefined {
  if (signal !== null) return `killed by ${signal}`;
  return code === 0 ? undefined : `exit code ${code}`;
}

function judge(file: string, output: string, problem: string | undefined, ms: number): FileResult {
  const summary = readSummary(output);
  if (summary === undefined) {
    const crash = problem ?? 'ended without a summary: is `test.run()` missing?';
    return { file, passed: 0, failed: 1, skipped: 0, ms, problem: crash, output };
  }
  const { total, passed, skipped } = summary;
  if (total + skipped === 0) return { file, passed: 0, failed: 1, skipped: 0, ms, problem: 'holds no tests', output };
  const failed = total - passed;
  // uvu's own exit code 1 for failed tests says nothing new; any other end is a failure of its own.
  const unexplained = problem !== undefined && !(problem === 'exit code 1' && failed > 0);
  return {
    file,
    passed: passed - summary.skippedAtRunTime,
    failed: failed + (unexplained ? 1 : 0),
    skipped: skipped + summary.skippedAtRunTime,
    ms,
    problem: unexplained ? problem : undefined,
    output,
  };
}
