import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { Database } from '../../src/postgres/database.ts';
import { withClient } from '../migrate/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { change, draft, MAKE_CHANGE, migrated, open, read, service } from './fixtures.ts';
import { type LossyProxy, lossyProxy } from './proxy.ts';
import { verifyChains } from './verifier.ts';

const test = suite('the audit log over a bad line');
let database: TestDatabase;
let proxy: LossyProxy;
let db: Database;

test.beforeEach(async () => {
  database = await migrated();
  proxy = await lossyProxy(database.url);
  db = await open(`${proxy.url}?sslmode=disable`, 3);
});
test.afterEach(async () => {
  await db.close();
  await proxy.close();
  await database.drop();
});

const changedIds = () =>
  withClient(database.url, async (client) => (await client.query('SELECT id FROM changes')).rows.map(({ id }) => id));

const settled = (promise: Promise<string>) =>
  promise.then(
    (id) => ({ id, error: null }),
    (error: unknown) => ({ id: null, error }),
  );

function assertUnavailable(error: unknown): void {
  assert.instance(error, ApiError);
  assert.is((error as ApiError).code, 'service_unavailable');
}

// The name of the prepared statement goes over the line with every use of it.
const ENTRY = 'audit.insert';

test('finds out that a change happened whose answer was lost, and says so', async () => {
  const audit = service(db, 1);
  await change(audit);
  proxy.lose('answers', ENTRY);
  const id = await change(audit);
  assert.is(proxy.losses(), 1);
  await change(audit);
  assert.ok((await changedIds()).includes(id));
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.ids.length, proof.chains], [[], 3, 1]);
});

test('finds out that a read was recorded whose answer was lost', async () => {
  const audit = service(db);
  await read(audit);
  proxy.lose('answers', ENTRY);
  const ids = await Promise.all([read(audit), read(audit)]);
  assert.is(proxy.losses(), 1);
  await read(audit);
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.ids.length, proof.chains], [[], 4, 1]);
  for (const id of ids) assert.ok(proof.ids.includes(id));
});

for (const [what, act] of [
  ['change', change],
  ['read', read],
] as const) {
  test(`gives no number twice when the entry of a ${what} arrives after it was given up`, async () => {
    const audit = service(db, 1);
    await act(audit);
    proxy.lose('statements', ENTRY);
    const late = draft({ action: 'write' });
    const { error } = await settled(act(audit, late));
    assertUnavailable(error);
    const after = await act(audit);
    proxy.release();
    await sleep(200);
    await act(audit);
    const proof = await verifyChains(database.url);
    assert.equal(proof.problems, []);
    assert.ok(proof.ids.includes(late.id), 'it did arrive');
    assert.ok(proof.ids.includes(after));
    assert.is(proof.ids.length, 4);
    if (what === 'change') assert.is((await changedIds()).length, 4, 'no change without its entry');
  });
}

test('goes on after a loss while every connection of the pool waits for the lane', async () => {
  const audit = service(db, 1);
  await change(audit);
  let started = 0;
  const attempt = () => {
    const entry = draft({ action: 'write' });
    return audit.commit(entry, async (tx) => {
      await tx.query(MAKE_CHANGE, [entry.id]);
      started++;
      return { value: entry.id };
    });
  };
  proxy.lose('answers', ENTRY, 300);
  const first = attempt();
  while (proxy.losses() === 0) await sleep(5);
  // More than the pool has: some hold a connection and wait for the lane, the others wait for a connection.
  const others = Array.from({ length: 12 }, attempt);
  await sleep(150);
  assert.ok(started >= 3);
  const begun = Date.now();
  await Promise.all([first, ...others]);
  assert.ok(Date.now() - begun < 5_000);
  const proof = await verifyChains(database.url);
  assert.equal([proof.problems, proof.ids.length], [[], 14]);
});

test('ends with whole chains, and with every acknowledged entry once, however often connections are cut', async () => {
  const audit = service(db, 2);
  const deadline = Date.now() + 5_000;
  const acknowledged: { changes: string[]; reads: string[] } = { changes: [], reads: [] };
  let failures = 0;
  const worker = async (act: typeof change, into: string[]) => {
    while (Date.now() < deadline) {
      const { id, error } = await settled(act(audit));
      if (id !== null) into.push(id);
      else {
        assertUnavailable(error);
        failures++;
        await sleep(5);
      }
    }
  };
  const cutter = withClient(database.url, async (client) => {
    while (Date.now() < deadline) {
      await sleep(10 + Math.random() * 60);
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.4`,
      );
      if (Math.random() < 0.3) proxy.lose('answers', ENTRY, 5);
    }
  });
  await Promise.all([
    cutter,
    ...Array.from({ length: 3 }, () => worker(change, acknowledged.changes)),
    ...Array.from({ length: 5 }, () => worker(read, acknowledged.reads)),
  ]);
  await audit.flush();
  const proof = await verifyChains(database.url);
  assert.equal(proof.problems, []);
  assert.ok(failures > 0, 'connections were cut');
  assert.is(new Set(proof.ids).size, proof.ids.length, 'none is there twice');
  const stored = new Set(proof.ids);
  const changes = new Set(await changedIds());
  for (const id of [...acknowledged.changes, ...acknowledged.reads])
    assert.ok(stored.has(id), 'acknowledged is stored');
  for (const id of acknowledged.changes) assert.ok(changes.has(id));
  for (const id of changes) assert.ok(stored.has(id), 'no change without its entry');
  assert.ok(acknowledged.changes.length > 20 && acknowledged.reads.length > 20);
});

test.run();
