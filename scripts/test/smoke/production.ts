/** With a real PostgreSQL and a real Redis. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { untilEnd, untilReady } from '../program.ts';
import { freePort } from '../servers/instance.ts';
import { type Artefact, run, start } from './artefact.ts';

const PROCESSES = 2;
const READY_LIMIT_MS = 60_000;

/** Works with an empty database, which is gone afterwards. */
export async function withDatabase<T>(serverUrl: string, work: (url: string) => Promise<T>): Promise<T> {
  const name = `smoke_${randomBytes(8).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const administer = new Client({ connectionString: serverUrl });
  await administer.connect();
  try {
    await administer.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
    return await work(url.href);
  } finally {
    await administer.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await administer.end();
  }
}

/** The executable migrates an empty database from what it carries; the bundle finds nothing left to do. */
export async function tryMigrations(databaseUrl: string, executable: Artefact, bundle: Artefact): Promise<string> {
  const env = { DATABASE_URL: databaseUrl };
  assert.equal((await run(bundle, ['migrate', '--status'], env)).code, 75);
  const migrated = await run(executable, ['migrate', '--json'], env);
  assert.equal(migrated.code, 0, migrated.output);
  const current = await run(bundle, ['migrate', '--status'], env);
  assert.equal(current.code, 0, current.output);
  return current.output.trim();
}

/** A key file for all servers of one database. @returns its path */
export async function makeKeyFile(directory: string): Promise<string> {
  const path = join(directory, 'kms.key');
  await writeFile(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return path;
}

export interface Outside {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly keyFile: string;
}

/** Several processes on one port. */
export async function tryProcesses(artefact: Artefact, outside: Outside): Promise<string> {
  const { databaseUrl, redisUrl, keyFile } = outside;
  const port = await freePort();
  const env = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    BIND_ADDRESS: `0.0.0.0:${port}`,
    BASE_URL: 'https://vault.example.test',
    // Nobody is there: a server is ready without its issuer.
    SCAIKEY_URL: 'https://127.0.0.1:1',
    KMS_PROVIDER: 'local',
    KMS_ALLOW_LOCAL: 'true',
    KMS_LOCAL_KEY_FILE: keyFile,
    SERVE_PROCESSES: `${PROCESSES}`,
  };
  const server = start(artefact, ['serve'], env);
  await untilReady(server, `http://127.0.0.1:${port}`, READY_LIMIT_MS);
  const ready = () => server.output().split('"msg":"ready"').length - 1;
  for (const deadline = Date.now() + READY_LIMIT_MS; ready() < PROCESSES; await sleep(50)) {
    assert.ok(Date.now() < deadline, `${ready()} of ${PROCESSES} processes are ready:\n${server.output()}`);
  }
  const health = await run(artefact, ['healthcheck'], env);
  assert.equal(health.code, 0, health.output);
  server.signal('SIGTERM');
  const { code, output } = await untilEnd(server, 20_000);
  assert.equal(code, 0, output);
  return `${PROCESSES} processes`;
}
