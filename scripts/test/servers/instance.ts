import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SystemUser, serverUser, temporaryDirectory } from './unprivileged.ts';

/** A server process of our own, with its data in a temporary directory. The address stays the same over a restart. */
export interface ServerInstance {
  readonly url: string;
  /** Resolves when the server answers. */
  start(): Promise<void>;
  /** Orderly, as an administrator would. Connections are cut. */
  stop(): Promise<void>;
  /** As a crash would. */
  kill(): Promise<void>;
  /** Stops every process of the server where it is: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends the server in whatever state it is and removes its data. */
  remove(): Promise<void>;
}

/** What differs from one kind of server to another. */
export interface ServerKind {
  readonly command: string;
  readonly stopSignal: NodeJS.Signals;
  args(directory: string, port: number): readonly string[];
  url(port: number): string;
  /** Fills the new directory, when there is something to fill. */
  prepare(
    directory: string,
    run: (command: string, args: readonly string[]) => Promise<void>,
    port: number,
  ): Promise<void>;
  /** Throws while the server does not answer. */
  probe(url: string): Promise<void>;
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;

/** Makes and starts an instance on a free port of 127.0.0.1. */
export async function startInstance(kind: ServerKind): Promise<ServerInstance> {
  const user = await serverUser();
  const directory = await temporaryDirectory(user);
  const port = await freePort();
  const url = kind.url(port);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const server = launch(kind.command, kind.args(directory, port), directory, user);
    child = server.process;
    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      if (!isAlive(server.process)) throw new Error(`${kind.command} ended at once: ${server.output().trim()}`);
      try {
        return await kind.probe(url);
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`${kind.command} did not answer`, { cause: error });
      }
      await sleep(25);
    }
  }

  async function signalAll(signal: NodeJS.Signals): Promise<void> {
    if (child?.pid === undefined || !isAlive(child)) return;
    for (const pid of await familyOf(child.pid)) signalProcess(pid, signal);
  }

  async function end(signal: () => Promise<void>): Promise<void> {
    if (child === undefined || !isAlive(child)) return;
    const exited = once(child, 'exit');
    await signal();
    const late = setTimeout(() => child?.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(late);
  }

  const kill = () => end(() => signalAll('SIGKILL'));
  const instance: ServerInstance = {
    url,
    start,
    stop: () => end(async () => void child?.kill(kind.stopSignal)),
    kill,
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async remove() {
      await kill();
      await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
  try {
    await kind.prepare(directory, (command, args) => complete(command, args, directory, user), port);
    await start();
  } catch (error) {
    await instance.remove();
    throw error;
  }
  return instance;
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}

/** The process and its children, the parent first, so that a frozen parent cannot make new ones. */
async function familyOf(parent: number): Promise<number[]> {
  const family = [parent];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    // The second field is the name in brackets, which may itself hold anything; the parent is the second after it.
    const status = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    if (Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]) === parent) family.push(Number(entry));
  }
  return family;
}

function launch(command: string, args: readonly string[], directory: string, user: SystemUser | undefined) {
  // Not detached: a server that a test started goes with the test's process group, whatever happens to the test.
  const child = spawn(command, args, {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: directory, LC_ALL: 'C', TZ: 'UTC' },
    ...user,
  });
  let output = '';
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.on('error', (error) => collect(Buffer.from(error.message)));
  return { process: child, output: () => output };
}

async function complete(
  command: string,
  args: readonly string[],
  directory: string,
  user: SystemUser | undefined,
): Promise<void> {
  const run = launch(command, args, directory, user);
  const code = await new Promise((resolve) => {
    run.process.on('close', resolve);
    run.process.on('error', resolve);
  });
  if (code !== 0) throw new Error(`${command} failed: ${run.output().trim()}`);
}

/** A port of 127.0.0.1 on which nobody listens at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
