import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import {
  CommitUnknown,
  ConstraintViolation,
  type Database,
  DatabaseUnavailable,
  statement,
  UnstorableText,
} from '../../src/postgres/database.ts';
import { lossyProxy } from '../audit/proxy.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { administer, COUNT, errorOf, ONE, open, PUT, SLEEP, SLOW_CHANGE } from './fixtures.ts';

const test = suite('the database');
let database: TestDatabase;
let db: Database;

test.before(async () => {
  database = await createDatabase();
});
test.after(() => database.drop());
test.beforeEach(async () => {
  await administer(database.url, 'DROP TABLE IF EXISTS things', 'CREATE TABLE things (id text PRIMARY KEY)');
  db = await open(database.url);
});
test.afterEach(() => db.close());

const count = async () => (await db.query<{ n: number }>(COUNT))[0]?.n;
const kill = (what: string) =>
  administer(
    database.url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%${what}%' AND state <> 'idle'`,
  );

test('sends a read again whose connection was cut, and nobody notices', async () => {
  await db.query(ONE);
  const reads = Array.from({ length: 20 }, () => db.query<{ pid: number }>(SLEEP, [0.3]));
  await sleep(100);
  await kill('pg_sleep');
  for (const [row] of await Promise.all(reads)) assert.type(row?.pid, 'number');
});

test('never sends a change again whose connection was cut, and says that its outcome is unknown', async () => {
  await db.query(PUT, ['first']);
  const changes = Array.from({ length: 8 }, (_, n) => errorOf(db.query(SLOW_CHANGE, [`slow ${n}`, 0.4])));
  await sleep(100);
  await kill('pg_sleep');
  for (const error of await Promise.all(changes)) assert.instance(error, CommitUnknown);
  assert.is(await count(), 1);
});

test('rolls back a transaction whose connection was cut, and says that nothing happened', async () => {
  const error = await errorOf(
    db.transaction(async (tx) => {
      await tx.query(PUT, ['x']);
      const slept = tx.query(SLEEP, [5]);
      await sleep(50);
      await kill('pg_sleep');
      await slept;
    }),
  );
  assert.instance(error, DatabaseUnavailable);
  assert.is(await count(), 0);
  assert.equal(db.poolStatus(), { size: 4, available: 4 });
});

test('notices at once that a connection was cut while the transaction was idle', async () => {
  const error = await errorOf(
    db.transaction(async (tx) => {
      await tx.query(PUT, ['x']);
      await administer(
        database.url,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`,
      );
      await sleep(50);
      await tx.query(PUT, ['y']);
    }),
  );
  assert.instance(error, DatabaseUnavailable);
  assert.is(await count(), 0);
});

test('says that the outcome is unknown when the answer to COMMIT is lost', async () => {
  const proxy = await lossyProxy(database.url);
  const far = await open(`${proxy.url}?sslmode=disable`);
  proxy.lose('answers', 'COMMIT');
  assert.instance(await errorOf(far.transaction((tx) => tx.query(PUT, ['x']))), CommitUnknown);
  assert.is(await count(), 1, 'it happened here');
  proxy.lose('statements', 'COMMIT');
  assert.instance(await errorOf(far.transaction((tx) => tx.query(PUT, ['y']))), CommitUnknown);
  assert.is(await count(), 1, 'and here it did not');
  await far.transaction((tx) => tx.query(PUT, ['z']));
  await far.close();
  await proxy.close();
});

test('tells a broken rule by its name, and a text that cannot be stored', async () => {
  await db.query(PUT, ['x']);
  for (const error of [
    await errorOf(db.query(PUT, ['x'])),
    await errorOf(db.transaction((tx) => tx.query(PUT, ['x']))),
  ]) {
    assert.instance(error, ConstraintViolation);
    const { constraint, sqlState } = error as ConstraintViolation;
    assert.equal([constraint, sqlState], ['things_pkey', '23505']);
  }
  assert.instance(await errorOf(db.query(PUT, ['a\0b'])), UnstorableText);
  const json = statement('test.json', 'SELECT $1::jsonb AS value');
  assert.instance(await errorOf(db.query(json, ['"\\u0000"'])), UnstorableText);
  assert.instance(await errorOf(db.query(json, ['"\\ud800"'])), UnstorableText);
});

test('rolls back when the work throws, and throws what it threw', async () => {
  const thrown = Object.assign(new Error('mine'), { code: 'ECONNREFUSED' });
  const error = await errorOf(
    db.transaction(async (tx) => {
      await tx.query(PUT, ['x']);
      throw thrown;
    }),
  );
  assert.is(error, thrown);
  assert.is(await count(), 0);
  assert.is(db.poolStatus().available, 4);
});

test('does not take a failed transaction for a committed one', async () => {
  const error = await errorOf(
    db.transaction(async (tx) => {
      await tx.query(PUT, ['x']);
      await tx.query(PUT, ['x']).catch(() => {});
    }),
  );
  assert.match(error.message, /rolled back/);
  assert.is(await count(), 0);
});

test('commits once, and lets nothing be done with a transaction that has ended', async () => {
  let kept: Parameters<Parameters<Database['transaction']>[0]>[0] | undefined;
  await db.transaction(async (tx) => {
    kept = tx;
    await tx.query(PUT, ['x']);
    await tx.commit();
    await tx.commit();
    assert.is(await count(), 1, 'seen by others before the work returns');
    assert.match((await errorOf(tx.query(PUT, ['y']))).message, /has ended/);
  });
  assert.match((await errorOf(kept!.query(PUT, ['z']))).message, /has ended/);
  await errorOf(
    db.transaction(async (tx) => {
      kept = tx;
      throw new Error('x');
    }),
  );
  assert.match((await errorOf(kept!.commit())).message, /rolled back/);
  assert.is(await count(), 1);
});

test('runs a transaction again that lost against another one, three times at most', async () => {
  const FAIL = statement('test.fail', `DO $$ BEGIN RAISE SQLSTATE '40001'; END $$`);
  let runs = 0;
  const third = await db.transaction(async (tx) => {
    await tx.query(PUT, [`run ${++runs}`]);
    if (runs < 3) await tx.query(FAIL);
    return runs;
  });
  assert.is(third, 3);
  assert.is(await count(), 1);
  runs = 0;
  const always = db.transaction((tx) => {
    runs++;
    return tx.query(FAIL);
  });
  assert.instance(await errorOf(always), DatabaseUnavailable);
  assert.is(runs, 3);
});

test('ends a statement that takes too long, and the connection serves on', async () => {
  const hasty = await open(database.url, { statementTimeoutMs: 200, poolMax: 1 });
  const started = Date.now();
  assert.instance(await errorOf(hasty.query(SLEEP, [5])), DatabaseUnavailable);
  assert.instance(await errorOf(hasty.query(SLOW_CHANGE, ['x', 5])), DatabaseUnavailable);
  assert.instance(await errorOf(hasty.transaction((tx) => tx.query(SLEEP, [5]))), DatabaseUnavailable);
  assert.ok(Date.now() - started < 3_000);
  assert.equal(await hasty.query(ONE), [{ one: 1 }]);
  await hasty.transaction((tx) => tx.query(ONE));
  await hasty.close();
});

test('ends a transaction that does nothing for too long, as a loss', async () => {
  const url = `${database.url}?options=-cidle_in_transaction_session_timeout%3D100`;
  const error = await errorOf(
    administer(url, 'BEGIN', 'SELECT 1').then(() =>
      db.transaction(async (tx) => {
        await tx.query(statement('test.idle', `SELECT set_config('idle_in_transaction_session_timeout', '100', true)`));
        await sleep(300);
        await tx.query(PUT, ['x']);
      }),
    ),
  );
  assert.instance(error, DatabaseUnavailable);
  assert.is(await count(), 0);
});

test('is unavailable, not broken, when it takes no more connections', async () => {
  const name = new URL(database.url).pathname.slice(1);
  const role = `r_${name}`;
  await administer(database.url, `CREATE ROLE ${role} LOGIN CONNECTION LIMIT 2`);
  const url = new URL(database.url);
  url.username = role;
  const few = await open(url.href);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => few.transaction((tx) => tx.query(SLEEP, [0.2]))),
  );
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length >= 1 && refused.length < 6, `${refused.length} refused`);
  for (const outcome of refused) assert.instance(outcome.status === 'rejected' && outcome.reason, DatabaseUnavailable);
  await few.close();
  await administer(database.url, `DROP ROLE ${role}`);
});

test('waits for a free connection, and not for ever', async () => {
  const single = await open(database.url, { poolMax: 1 });
  const first = single.transaction((tx) => tx.query(SLEEP, [0.3]));
  await single.transaction((tx) => tx.query(ONE));
  await first;
  const long = single.transaction((tx) => tx.query(SLEEP, [4.9]).then(() => sleep(500)));
  const started = Date.now();
  assert.instance(await errorOf(single.transaction((tx) => tx.query(ONE))), DatabaseUnavailable);
  assert.ok(Date.now() - started < 5_400);
  await long;
  await single.close();
});

test('answers what is under way when it is closed, and nothing afterwards', async () => {
  const closing = await open(database.url);
  await closing.query(ONE);
  const read = closing.query<{ pid: number }>(SLEEP, [0.2]);
  const change = closing.query(SLOW_CHANGE, ['x', 0.2]);
  const transaction = closing.transaction((tx) => tx.query(SLOW_CHANGE, ['y', 0.2]));
  await sleep(50);
  await closing.close();
  await Promise.all([read, change, transaction]);
  assert.is(await count(), 2);
  assert.instance(await errorOf(closing.query(ONE)), DatabaseUnavailable);
  assert.instance(await errorOf(closing.transaction((tx) => tx.query(ONE))), DatabaseUnavailable);
  await closing.close();
  const [left] = await administer(
    database.url,
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%slow%' AND state = 'active' AND pid <> pg_backend_pid()`,
  );
  assert.is(left?.n, 0);
});

test('holds four connections for single statements, however often they are cut', async () => {
  const name = 'counted';
  const counted = await open(`${database.url}?application_name=${name}`);
  const held = async () =>
    Number(
      (
        await administer(database.url, `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = '${name}'`)
      )[0]?.n,
    );
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 40 }, () => counted.query(ONE)));
    assert.is(await held(), 4);
    const reads = Array.from({ length: 12 }, () => counted.query(SLEEP, [0.15]));
    await sleep(50);
    await kill('pg_sleep');
    await Promise.all(reads);
  }
  await Promise.all(Array.from({ length: 40 }, () => counted.query(ONE)));
  assert.is(await held(), 4, 'none is forgotten and left open');
  await counted.close();
  await sleep(50);
  assert.is(await held(), 0);
});

test.run();
