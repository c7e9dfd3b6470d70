/** The real PgBouncer between ScaiVault and PostgreSQL. */
import { Client } from 'pg';
import * as assert from 'uvu/assert';
import type { PoolMode } from '../../scripts/test/servers/pgbouncer.ts';
import { Secret } from '../../src/lib/secret.ts';
import { DatabaseRefused, DatabaseUnavailable, statement } from '../../src/postgres/database.ts';
import { openCheckedDatabase } from '../../src/postgres/pool.ts';
import { TransactionPooling } from '../../src/postgres/pooler.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { run, scaivault } from '../support/scaivault.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { type PrivateServer, startPgbouncer } from '../support/servers.ts';
import { skip, suite } from '../support/suite.ts';
import { errorOf } from './fixtures.ts';

// The first test may install the package.
const test = suite('a pooler before PostgreSQL', { timeoutMs: 180_000 });
const LIMITS = statement(
  'test.limits',
  `SELECT current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle`,
);
let database: TestDatabase;

test.before(async () => {
  database = await createDatabase();
});
test.after(() => database.drop());

async function behind<T>(mode: PoolMode, settings: readonly string[], work: (url: string) => Promise<T>): Promise<T> {
  const pooler = await startPgbouncer(database.url, mode, settings);
  if (pooler === null) skip('no PgBouncer here, and none can be installed');
  try {
    return await work(pooler.url);
  } finally {
    await pooler.remove();
  }
}

const open = (url: string) => openCheckedDatabase({ url, poolMax: 4, statementTimeoutMs: 5_000 });

/** Clients that keep the pooler's server connections moving. */
async function load(url: string, clients: number): Promise<() => Promise<void>> {
  let going = true;
  const busy = Array.from({ length: clients }, async () => {
    const client = new Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    while (going) await client.query('SELECT pg_sleep(0.002)');
    await client.end();
  });
  return async () => {
    going = false;
    await Promise.all(busy);
  };
}

test('in transaction mode is found out while nobody else uses it, with one server connection and with many', async () => {
  for (const settings of [
    [],
    ['default_pool_size = 1'],
    ['default_pool_size = 50', 'min_pool_size = 20'],
    ['server_round_robin = 1', 'min_pool_size = 10'],
  ]) {
    await behind('transaction', settings, async (url) => {
      for (let attempt = 0; attempt < 5; attempt++) {
        assert.instance(await errorOf(open(url)), TransactionPooling, settings.join());
      }
      assert.instance(await errorOf(openMigrationSession(new Secret(url))), TransactionPooling);
    });
  }
});

test('in transaction mode is found out while others use it', () =>
  behind('transaction', ['default_pool_size = 6'], async (url) => {
    const stop = await load(url, 5);
    for (let attempt = 0; attempt < 20; attempt++) assert.instance(await errorOf(open(url)), TransactionPooling);
    await stop();
  }));

test('in statement mode is refused too', () =>
  behind('statement', [], async (url) => {
    const error = await errorOf(open(url));
    assert.instance(error, TransactionPooling);
    assert.match(error.message, /no transactions/);
  }));

test('in session mode is accepted, busy or not, and the time limits are in force behind it', () =>
  behind('session', ['default_pool_size = 30'], async (url) => {
    const stop = await load(url, 5);
    for (let attempt = 0; attempt < 10; attempt++) {
      const db = await open(url);
      const expected = [{ statement: '5s', idle: '30s' }];
      assert.equal(await db.query(LIMITS), expected);
      assert.equal(await db.transaction((tx) => tx.query(LIMITS)), expected);
      await db.close();
    }
    await stop();
  }));

test('that has too few connections is an outage, not a refusal', () =>
  behind('session', ['default_pool_size = 1', 'query_wait_timeout = 2'], async (url) => {
    assert.instance(await errorOf(open(url)), DatabaseUnavailable);
  }));

test('that does not know a setting of the URL is told apart from an outage', () =>
  behind('session', [], async (url) => {
    const error = await errorOf(open(`${url}?options=-csearch_path%3Delsewhere`));
    assert.instance(error, DatabaseRefused);
    assert.match(error.message, /options/);
  }));

test('not there at all: a direct connection passes', async () => {
  for (let attempt = 0; attempt < 10; attempt++) await (await open(database.url)).close();
});

test('scaivault serve and migrate refuse transaction mode with 78 and the reason, and serve in session mode', async () => {
  const environment: TestEnvironment = await testEnvironment();
  const poolers: PrivateServer[] = [];
  const through = async (mode: PoolMode) => {
    const pooler = await startPgbouncer(environment.databaseUrl, mode, ['default_pool_size = 40']);
    if (pooler === null) skip('no PgBouncer here, and none can be installed');
    poolers.push(pooler);
    return { ...environment.env, DATABASE_URL: pooler.url };
  };
  try {
    const env = await through('transaction');
    for (const args of [['serve'], ['serve', '--no-migrate'], ['migrate'], ['migrate', '--status']]) {
      const { code, stderr } = await run(args, env);
      assert.is(code, 78, `${args}: ${stderr}`);
      assert.match(stderr, /pooler in transaction mode.*server process/);
      assert.match(stderr, /pool_mode = session/);
    }
    const server = scaivault(['serve'], await through('session'));
    const url = await server.ready();
    assert.is((await fetch(`${url}/v1/health/ready`)).status, 200);
    server.kill();
    assert.is((await server.finished).code, 0);
  } finally {
    for (const pooler of poolers) await pooler.remove();
    await environment.remove();
  }
});

test.run();
