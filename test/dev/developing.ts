/** `serve --dev` processes for tests, each with a directory of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/test/servers/instance.ts';
import { type Finished, type Scaivault, scaivault } from '../support/scaivault.ts';

// The first start fills the database's directory, on a machine that may be busy.
const READY_LIMIT_MS = 60_000;
const running = new Set<Scaivault>();

export interface Options {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `serve --dev` on a free port, unless the arguments say which. */
export async function develop(args: readonly string[], { cwd, env = {} }: Options): Promise<Scaivault> {
  const bind = args.includes('--bind') || env.BIND_ADDRESS ? [] : ['--bind', `127.0.0.1:${await freePort()}`];
  const process = scaivault(['serve', '--dev', ...bind, ...args], env, { cwd });
  running.add(process);
  void process.finished.then(() => running.delete(process));
  return process;
}

export interface Developing {
  readonly process: Scaivault;
  readonly url: string;
  readonly readyMs: number;
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

export async function developing(args: readonly string[], options: Options): Promise<Developing> {
  const started = Date.now();
  const process = await develop(args, options);
  const url = await process.ready(READY_LIMIT_MS);
  const readyMs = Date.now() - started;
  return {
    process,
    url,
    readyMs,
    stop: (signal = 'SIGINT') => {
      process.kill(signal);
      return process.finished;
    },
  };
}

export async function killAll(): Promise<void> {
  const left = [...running];
  for (const process of left) process.kill('SIGKILL');
  await Promise.all(left.map((process) => process.finished));
}

/** A directory to be in, removed at the end. */
export async function workingDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'scaivault-dev-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** The lines that the banner offers for a shell. */
export function linesOf(banner: string): string {
  const from = banner.indexOf('\n  . ');
  const to = banner.indexOf('\nCtrl-C', from);
  if (from < 0 || to < 0) throw new Error(`no lines to copy in:\n${banner}`);
  return banner.slice(from, to);
}

/** Pastes lines into a shell. */
export async function paste(lines: string, cwd: string): Promise<{ readonly code: number; readonly output: string }> {
  const shell = spawn('sh', ['-euc', lines], {
    cwd,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code] = await once(shell, 'close');
  return { code, output };
}

/** What `dev.env` exports. */
export async function exported(file: string): Promise<{ readonly url: string; readonly token: string }> {
  const text = await readFile(file, 'utf8');
  const found = /^export SCAIVAULT_URL=(\S+)\nexport SCAIVAULT_TOKEN=(\S+)\n$/.exec(text);
  if (found === null) throw new Error(`not what was promised: ${text}`);
  return { url: found[1]!, token: found[2]! };
}

/** A request with the token of `dev.env`. */
export async function ask(file: string, method: string, path: string, body?: unknown) {
  const { url, token } = await exported(file);
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: a JSON body of any route
  return { status: response.status, body: (await response.json()) as any };
}
