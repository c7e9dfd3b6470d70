import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { type ServerKind, startInstance } from './instance.ts';
import type { Provider, RunningServer } from './provider.ts';
import { isExecutable, which } from './which.ts';

const DEBIAN_VERSIONS = '/usr/lib/postgresql';

// The tests kill processes, never the machine, so nothing has to reach the disk; what is committed must survive the
// server's own crash, so commits stay synchronous.
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'max_connections=200',
  'shared_buffers=64MB',
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=on',
  'log_timezone=UTC',
  'timezone=UTC',
];

export const localPostgres: Provider = {
  name: 'local binaries',
  available: async () => (await findPostgres()) !== undefined,
  async start() {
    const binaries = await findPostgres();
    if (binaries === undefined) throw new Error('no binaries found');
    return runPostgres(binaries);
  },
};

/** Directory of `postgres` and `initdb`: from PATH, else the newest of Debian's. */
export async function findPostgres(): Promise<string | undefined> {
  const onPath = await which('postgres');
  const versions = await readdir(DEBIAN_VERSIONS).catch(() => []);
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a)).map((v) => join(DEBIAN_VERSIONS, v, 'bin'));
  for (const directory of [...(onPath === undefined ? [] : [dirname(onPath)]), ...newestFirst]) {
    if ((await isExecutable(join(directory, 'initdb'))) && (await isExecutable(join(directory, 'postgres')))) {
      return directory;
    }
  }
  return undefined;
}

/** A server for the whole test run from the given programs. */
export async function runPostgres(binaries: string): Promise<RunningServer> {
  const instance = await startInstance(postgresKind(binaries));
  return { url: instance.url, binaries, stop: instance.remove };
}

/** @param overrides settings `name=value` that beat those of the tests */
export function postgresKind(binaries: string, overrides: readonly string[] = []): ServerKind {
  const settings = [...SETTINGS, ...overrides].flatMap((setting) => ['-c', setting]);
  return {
    command: join(binaries, 'postgres'),
    stopSignal: 'SIGINT',
    args: (directory, port) => ['-D', join(directory, 'data'), '-p', `${port}`, '-k', directory, ...settings],
    url: (port) => `postgresql://postgres@127.0.0.1:${port}/postgres`,
    async prepare(directory, run) {
      const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
      await run(join(binaries, 'initdb'), ['-D', join(directory, 'data'), ...options]);
    },
    probe: probePostgres,
  };
}

export async function probePostgres(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
}
