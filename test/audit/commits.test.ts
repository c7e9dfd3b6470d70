import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { OutcomeUnknown } from '../../src/audit/service.ts';
import { ApiError } from '../../src/contract/errors.ts';
import { ConstraintViolation, type Database, type Statement, statement } from '../../src/postgres/database.ts';
import { withClient } from '../migrate/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { change, draft, MAKE_CHANGE, migrated, open, read, service } from './fixtures.ts';
import { verifyChains } from './verifier.ts';

const test = suite('the audit log');
let database: TestDatabase;
let db: Database;

test.beforeEach(async () => {
  database = await migrated();
  db = await open(database.url);
});
test.afterEach(async () => {
  await db.close();
  await database.drop();
});

const sql = (text: string) => withClient(database.url, async (client) => (await client.query(text)).rows);
const audited = () => sql('SELECT id, seq, chain_id FROM audit_log ORDER BY chain_id, seq');
const changed = async () => (await sql('SELECT id FROM changes ORDER BY id')).map(({ id }) => id);

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error,
  );
}

/** What an operator reads of it. */
const reasonOf = (error: unknown) => (error instanceof ApiError ? `${error.code} ${error.operator}` : String(error));

/** The same database, counting how often a statement is sent. */
function counting(inner: Database, counts: Map<string, number>): Database {
  return {
    ...{
      transaction: inner.transaction.bind(inner),
      poolStatus: inner.poolStatus.bind(inner),
      close: inner.close.bind(inner),
    },
    query: <Row extends object>(sent: Statement, values?: Parameters<Database['query']>[1]) => {
      counts.set(sent.name, (counts.get(sent.name) ?? 0) + 1);
      return inner.query<Row>(sent, values);
    },
  };
}

test('stores 500 entries of one moment in a few statements, in the order of asking', async () => {
  const counts = new Map<string, number>();
  const audit = service(counting(db, counts));
  const ids = await Promise.all(Array.from({ length: 500 }, () => read(audit)));
  const inserts = counts.get('audit.insert') ?? 0;
  assert.ok(inserts <= 3, `${inserts} statements`);
  assert.equal(
    (await audited()).map(({ id }) => id),
    ids,
  );
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.chains], [[], 1]);
});

test('gathers what comes while a batch is under way, and never more than 500 in one', async () => {
  const counts = new Map<string, number>();
  const audit = service(counting(db, counts));
  const waves: Promise<string>[] = [];
  for (let wave = 0; wave < 6; wave++) {
    for (let n = 0; n < 200; n++) waves.push(read(audit));
    await new Promise(setImmediate);
  }
  await audit.flush();
  assert.is((await audited()).length, 1_200, 'flush waits for all');
  await Promise.all(waves);
  assert.ok((counts.get('audit.insert') ?? 0) <= 8);
});

test('lets an entry that cannot be stored fail alone', async () => {
  const audit = service(db);
  const twice = draft();
  await read(audit, twice);
  const outcomes = await Promise.allSettled([read(audit), read(audit, twice), read(audit)]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const [, rejected] = outcomes;
  assert.match(reasonOf(rejected?.status === 'rejected' && rejected.reason), /audit_log_\d+_pkey/);
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.ids.length], [[], 3]);
});

test('holds a change and its entry together', async () => {
  const audit = service(db);
  const ids = await Promise.all(Array.from({ length: 40 }, () => change(audit)));
  assert.equal(await changed(), ids.toSorted());
  const rows = await audited();
  assert.equal(rows.map(({ id }) => id).sort(), ids.toSorted());
  assert.is(new Set(rows.map((row) => row.chain_id)).size, 2, 'both lanes are used');
  assert.equal((await verifyChains(database.url)).problems, []);
});

test('tells what the work found', async () => {
  const audit = service(db);
  const entry = draft({ action: 'write' });
  const { value } = await audit.commit(entry, async () => ({ value: 'made', facts: { version: 7, extra: { a: 1 } } }));
  assert.is(value, 'made');
  const [row] = await sql('SELECT action, success, version, extra_data, error_code FROM audit_log');
  assert.equal(row, { action: 'write', success: true, version: 7, extra_data: { a: 1 }, error_code: null });
});

test('keeps nothing of a change whose work throws, and throws what it threw', async () => {
  const audit = service(db);
  const refusal = new ApiError('version_conflict');
  const thrown = await errorOf(
    audit.commit(draft(), async (tx) => {
      await tx.query(MAKE_CHANGE, ['x']);
      throw refusal;
    }),
  );
  assert.is(thrown, refusal);
  assert.equal([await changed(), await audited()], [[], []]);
});

test('keeps nothing of a change whose statement fails, whether the work notices or not', async () => {
  const audit = service(db);
  await change(audit, draft({ id: 'log_1' }));
  for (const work of [
    (tx: { query: Database['query'] }) => tx.query(MAKE_CHANGE, ['log_1']),
    (tx: { query: Database['query'] }) => tx.query(MAKE_CHANGE, ['log_1']).catch(() => []),
  ]) {
    await errorOf(
      audit.commit(draft(), async (tx) => {
        await tx.query(MAKE_CHANGE, ['y']);
        await work(tx);
        return { value: null };
      }),
    );
  }
  assert.equal(await changed(), ['log_1']);
  assert.is((await audited()).length, 1);
  await change(audit, draft({ id: 'log_2' }));
  assert.equal((await verifyChains(database.url)).problems, []);
});

test('undoes a change whose entry is refused, and goes on with the same number', async () => {
  await sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.secret_path = 'refused' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()`);
  const audit = service(db, 1);
  await change(audit, draft({ id: 'log_1' }));
  const thrown = await errorOf(change(audit, draft({ id: 'log_2', secretPath: 'refused' })));
  assert.match(reasonOf(thrown), 'not this one');
  await change(audit, draft({ id: 'log_3' }));
  assert.equal(await changed(), ['log_1', 'log_3']);
  assert.equal(
    (await audited()).map(({ id, seq }) => `${id} ${seq}`),
    ['log_1 1', 'log_3 2'],
  );
});

test('undoes a change that is refused at COMMIT only', async () => {
  await sql(
    `ALTER TABLE changes ADD COLUMN parent text DEFAULT 'nobody' REFERENCES changes DEFERRABLE INITIALLY DEFERRED`,
  );
  const audit = service(db, 1);
  assert.instance(await errorOf(change(audit)), ConstraintViolation);
  assert.equal([await changed(), await audited()], [[], []]);
  await sql('ALTER TABLE changes ALTER COLUMN parent DROP DEFAULT');
  await change(audit);
  assert.equal(
    (await audited()).map(({ seq }) => seq),
    ['1'],
  );
});

test('runs a change again that lost a deadlock, and stores it once', async () => {
  const audit = service(db);
  await sql(`INSERT INTO changes VALUES ('a'), ('b')`);
  const LOCK = statement('test.lock', 'SELECT 1 FROM changes WHERE id = $1 FOR UPDATE');
  let runs = 0;
  let holding = 0;
  let met: () => void = () => {};
  const meeting = new Promise<void>((resolve) => {
    met = resolve;
  });
  const cross = (first: string, second: string) =>
    audit.commit(draft(), async (tx) => {
      // The second time it waits until the other one is through, or it might meet it once more.
      if (++runs > 2) await sleep(300);
      await tx.query(LOCK, [first]);
      // Counted after the lock is held: a run that has only begun has nothing to cross with yet.
      if (++holding === 2) met();
      await meeting;
      await tx.query(LOCK, [second]);
      return { value: null };
    });
  await Promise.all([cross('a', 'b'), cross('b', 'a')]);
  assert.ok(runs >= 3, `${runs} runs`);
  assert.is((await audited()).length, 2);
  assert.equal((await verifyChains(database.url)).problems, []);
});

test('is told to be unavailable when the database is, and then not to be unknown', async () => {
  const audit = service(db);
  await read(audit);
  const name = new URL(database.url).pathname.slice(1);
  await withClient(process.env.TEST_DATABASE_URL!, async (admin) => {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const act of [read, change, read]) {
      const error = await errorOf(act(audit));
      assert.instance(error, ApiError);
      assert.is((error as ApiError).code, 'service_unavailable');
      assert.not.instance(error, OutcomeUnknown);
    }
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await Promise.all([read(audit), change(audit)]);
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.ids.length], [[], 3]);
  assert.is((await changed()).length, 1);
});

test.run();
