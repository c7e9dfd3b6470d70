import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { CommitUnknown, type Database, DatabaseUnavailable } from '../../src/postgres/database.ts';
import { change, migrated, open as openMigrated, read, service } from '../audit/fixtures.ts';
import { verifyChains } from '../audit/verifier.ts';
import { type PrivateServer, startPrivatePostgres } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { administer, errorOf, ONE, open, PUT } from './fixtures.ts';

const test = suite('a database that goes away', { timeoutMs: 30_000 });
let server: PrivateServer;
let db: Database;

test.before(async () => {
  server = await startPrivatePostgres();
  await administer(server.url, 'CREATE TABLE things (id text PRIMARY KEY)');
  db = await open(server.url, { statementTimeoutMs: 300 });
});
test.after(async () => {
  await db.close();
  await server.remove();
});

/** Waits until both ways of asking work again, without anybody having done anything. @returns after how long */
async function recovered(): Promise<number> {
  const started = Date.now();
  for (;;) {
    try {
      await db.query(ONE);
      await db.transaction((tx) => tx.query(ONE));
      return Date.now() - started;
    } catch (error) {
      assert.instance(error, DatabaseUnavailable);
      assert.ok(Date.now() - started < 10_000, 'it does not come back');
      await sleep(20);
    }
  }
}

for (const how of ['stop', 'kill'] as const) {
  test(`is unavailable at once after a ${how}, and serves again by itself after its start`, async () => {
    await recovered();
    // Connections that lie idle, and some that are in use.
    const busy = Array.from({ length: 3 }, () =>
      db.transaction(() => sleep(100).then(() => db.query(ONE))).catch(() => {}),
    );
    await sleep(20);
    await server[how]();
    for (let attempt = 0; attempt < 20; attempt++) {
      const started = Date.now();
      assert.instance(await errorOf(db.query(ONE)), DatabaseUnavailable);
      assert.instance(await errorOf(db.query(PUT, ['x'])), DatabaseUnavailable);
      assert.instance(await errorOf(db.transaction((tx) => tx.query(ONE))), DatabaseUnavailable);
      assert.ok(Date.now() - started < 500);
    }
    await Promise.all(busy);
    await server.start();
    assert.ok((await recovered()) < 3_000);
  });
}

test('that hangs is given up after a bounded time, and serves again when it goes on', async () => {
  await recovered();
  // Each on a connection that was there before.
  await Promise.all(Array.from({ length: 16 }, () => db.query(ONE)));
  await server.freeze();
  const started = Date.now();
  const [read, changed, transaction] = await Promise.all([
    errorOf(db.query(ONE)),
    errorOf(db.query(PUT, ['frozen'])),
    errorOf(db.transaction((tx) => tx.query(ONE))),
  ]);
  assert.ok(Date.now() - started < 9_000, `${Date.now() - started} ms`);
  assert.instance(read, DatabaseUnavailable);
  assert.instance(changed, CommitUnknown);
  assert.instance(transaction, DatabaseUnavailable);
  await server.thaw();
  assert.ok((await recovered()) < 6_000);
});

test('loses and doubles nothing of the audit log', async () => {
  const database = await migrated(server.url);
  const audited = await openMigrated(database.url, 6, 1_000);
  const audit = service(audited);
  const acknowledged: string[] = [];
  let failures = 0;
  let running = true;
  const worker = async (act: typeof read) => {
    while (running) {
      try {
        acknowledged.push(await act(audit));
      } catch {
        failures++;
        await sleep(10);
      }
    }
  };
  const workers = [read, read, read, change, change, change].map(worker);
  for (const how of ['stop', 'kill'] as const) {
    await sleep(300);
    await server[how]();
    await sleep(200);
    await server.start();
  }
  await sleep(500);
  const before = acknowledged.length;
  await sleep(500);
  assert.ok(acknowledged.length > before, 'it goes on by itself');
  running = false;
  await Promise.all(workers);
  await audited.close();
  const proof = await verifyChains(database.url);
  assert.equal(proof.problems, []);
  assert.ok(failures > 0);
  const stored = new Set(proof.ids);
  assert.is(stored.size, proof.ids.length);
  for (const id of acknowledged) assert.ok(stored.has(id));
});

test.run();
