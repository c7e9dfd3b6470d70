/** What the servers under measurement stand on: a PostgreSQL that keeps what it confirms, a Redis, a route of nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { debianPostgres, debianRedis } from '../test/servers/debian.ts';
import { type ServerInstance, startInstance } from '../test/servers/instance.ts';
import { findPostgres, type localPostgres, postgresKind } from '../test/servers/local-postgres.ts';
import { localRedis, redisKind } from '../test/servers/local-redis.ts';
import { startFirst } from '../test/servers/provider.ts';

// As a careful operator would have it. Everything else is PostgreSQL's default.
const DURABLE = [
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'wal_sync_method=fdatasync',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
];
const TMPFS = 0x01021994;

export interface World {
  readonly databaseServer: string;
  readonly redisUrl: string;
  readonly emptyRoute: { readonly port: number; readonly pid: number };
  readonly machine: Machine;
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  readonly redis: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  /** Whether the database lies in memory, where fsync costs nothing. */
  readonly inMemory: boolean;
}

/** Starts all; each goes when the stack is disposed of. @throws with the line to type where a server is missing */
export async function startWorld(opened: AsyncDisposableStack, say: (line: string) => void): Promise<World> {
  const postgres = await startPostgres(say);
  opened.defer(() => postgres.remove());
  const redis = await startRedis(say);
  opened.defer(() => redis.remove());
  const route = spawn(process.execPath, [join(import.meta.dirname, 'empty-route.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  opened.defer(() => ended(route));
  const [port] = (await once(route.stdout, 'data')) as [Buffer];
  return {
    databaseServer: postgres.url,
    redisUrl: redis.url,
    emptyRoute: { port: Number(port.toString()), pid: route.pid ?? 0 },
    machine: await machine(postgres.url, redis.url),
  };
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(late);
}

async function startPostgres(say: (line: string) => void): Promise<ServerInstance> {
  const binaries = (await findPostgres()) ?? (await installed('PostgreSQL', debianPostgres, say, findPostgres));
  return startInstance(postgresKind(binaries, DURABLE));
}

async function startRedis(say: (line: string) => void): Promise<ServerInstance> {
  if (!(await localRedis.available())) await installed('Redis', debianRedis, say, async () => '');
  return startInstance(redisKind());
}

/** Lets the test suite's provider install the programs; its own instance is of no use here. */
async function installed(
  what: string,
  provider: typeof localPostgres,
  say: (line: string) => void,
  find: () => Promise<string | undefined>,
): Promise<string> {
  const first = await startFirst(what, [provider], say);
  await first?.stop();
  const found = first === undefined ? undefined : await find();
  if (found === undefined) throw new Error(`The bench needs ${what}: sudo apt-get install -y postgresql redis-server`);
  return found;
}

async function machine(databaseUrl: string, redisUrl: string): Promise<Machine> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const show = async (setting: string): Promise<string> =>
    String((await client.query(`SHOW ${setting}`)).rows[0]?.[setting]);
  const [postgres, fsync, synchronousCommit, data] = [
    await show('server_version'),
    await show('fsync'),
    await show('synchronous_commit'),
    await show('data_directory'),
  ];
  await client.end();
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    postgres,
    redis: await redisVersion(redisUrl),
    fsync,
    synchronousCommit,
    inMemory: (await statfs(data)).type === TMPFS,
  };
}

async function redisVersion(url: string): Promise<string> {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write('INFO server\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return /redis_version:(\S+)/.exec(answer.toString())?.[1] ?? 'unknown';
}
