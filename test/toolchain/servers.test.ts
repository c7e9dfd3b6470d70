import { Client } from 'pg';
import * as assert from 'uvu/assert';
import { probePostgres } from '../../scripts/test/servers/local-postgres.ts';
import { probeRedis } from '../../scripts/test/servers/local-redis.ts';
import { type Provider, startFirst } from '../../scripts/test/servers/provider.ts';
import { createDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { redisUrl } from '../support/redis.ts';
import { type PrivateServer, startPrivatePostgres, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';

const test = suite('servers for tests', { timeoutMs: 60_000 });

const SILENT = () => {};
const provider = (name: string, rest: Partial<Provider> = {}): Provider => ({
  name,
  available: async () => true,
  start: async () => ({ url: name, stop: async () => {} }),
  ...rest,
});
const fails = { start: () => Promise.reject(new Error('no image')) };

test('the first provider that is there and starts is taken', async () => {
  const lines: string[] = [];
  const providers = [
    provider('absent', { available: async () => false }),
    provider('broken', fails),
    provider('good'),
    provider('not reached', { available: () => assert.unreachable() as never }),
  ];
  assert.is((await startFirst('PostgreSQL', providers, (line) => lines.push(line)))?.url, 'good');
  assert.equal(lines, ['PostgreSQL: broken failed: no image', 'PostgreSQL: good']);
});

test('without a provider there is no server', async () => {
  assert.is(await startFirst('Redis', [provider('absent', { available: async () => false })], SILENT), undefined);
});

test('a server that the user named is not replaced by another', async () => {
  const providers = [provider('TEST_REDIS_URL', { ...fails, required: true }), provider('good')];
  const reason = await startFirst('Redis', providers, SILENT).then(SILENT, (error) => error.message);
  assert.is(reason, 'Redis: TEST_REDIS_URL: no image');
});

test('a database is fresh, in UTF-8 and C order, and goes although somebody is connected', async () => {
  const database = await createDatabase();
  const client = new Client(database.url);
  client.on('error', SILENT);
  await client.connect();
  const facts = await client.query(
    'SELECT pg_encoding_to_char(encoding) AS encoding, datcollate FROM pg_database WHERE datname = current_database()',
  );
  assert.equal(facts.rows, [{ encoding: 'UTF8', datcollate: 'C' }]);
  await database.drop();
  assert.ok(await isRefused(() => probePostgres(database.url)));
  await client.end().catch(SILENT);
});

test('a private PostgreSQL can be stopped, killed and frozen, and comes back with its data', async () => {
  const server = await startPrivatePostgres();
  try {
    await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    await misbehave(server, probePostgres);
    assert.equal(await query(server.url, 'SELECT one FROM kept'), [{ one: 1 }]);
  } finally {
    await server.remove();
  }
});

test('a private Redis can be stopped, killed and frozen, and comes back', async () => {
  const server = await startPrivateRedis();
  try {
    await misbehave(server, probeRedis);
  } finally {
    await server.remove();
  }
});

test('where there are no programs, a proxy fails in the place of the server', async () => {
  const proxy = await startProxy(redisUrl(), 6379);
  try {
    await misbehave(proxy, probeRedis);
  } finally {
    await proxy.remove();
  }
});

async function misbehave(server: PrivateServer, probe: (url: string) => Promise<void>): Promise<void> {
  await probe(server.url);
  for (const end of [server.stop, server.kill]) {
    await end();
    assert.ok(await isRefused(() => probe(server.url)));
    await server.start();
    await probe(server.url);
  }
  await server.freeze();
  let answered = false;
  const waiting = probe(server.url).then(() => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.not(answered, 'a frozen server does not answer');
  await server.thaw();
  await waiting;
}

async function isRefused(action: () => Promise<void>): Promise<boolean> {
  return action().then(
    () => false,
    () => true,
  );
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test.run();
