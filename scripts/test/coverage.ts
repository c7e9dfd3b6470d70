import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';

const RAW = 'coverage/raw';
const WHAT = ['--all', '--include', 'src/**/*.ts', '--include', 'commands/**/*.ts', '--include', 'bin/**/*.ts'];

export async function clearCoverage(): Promise<void> {
  await rm('coverage', { recursive: true, force: true });
}

/** Makes Node itself write what was executed, at the end of each process that inherits it. */
export function coverageEnv(): Record<string, string> {
  return { NODE_V8_COVERAGE: resolve(RAW) };
}

/** Prints a summary and leaves the details in `coverage/`. */
export async function reportCoverage(): Promise<void> {
  const args = ['report', '--temp-directory', RAW, ...WHAT, '--reporter', 'text-summary', '--reporter', 'html'];
  const c8 = spawn(process.execPath, ['node_modules/.bin/c8', ...args], { stdio: 'inherit' });
  const [code] = await once(c8, 'close');
  if (code !== 0) throw new Error('c8 failed');
}
