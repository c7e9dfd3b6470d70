import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type Database, statement } from '../../src/postgres/database.ts';
import { openEmbedded } from '../../src/postgres/embedded.ts';
import { suite } from '../support/suite.ts';
import { errorOf, ONE } from './fixtures.ts';

const test = suite('the embedded database', { timeoutMs: 40_000 });
const THINGS = statement('test.things', 'SELECT id, twin FROM things ORDER BY id');
let db: Database;

test.before(async () => {
  db = await openEmbedded(null);
  await db.query(statement('test.create', 'CREATE TABLE log (id serial PRIMARY KEY, name text UNIQUE)'));
});

test('refuses at once to be used inside a transaction, which would wait for itself', async () => {
  for (const misuse of [() => db.query(ONE), () => db.transaction((tx) => tx.query(ONE))]) {
    const started = Date.now();
    const error = await errorOf(db.transaction(() => misuse()));
    assert.match(error.message, /inside a transaction/);
    assert.ok(Date.now() - started < 1_000);
  }
  assert.equal(await db.query(ONE), [{ one: 1 }], 'and serves on');
  // What was only begun there and goes on later is none.
  let later: Promise<unknown> = Promise.resolve();
  await db.transaction(async () => {
    later = sleep(30).then(() => db.query(ONE));
  });
  await later;
});

test('lets its users in one after the other, a transaction whole', async () => {
  const PUT = statement('test.log', 'INSERT INTO log (name) VALUES ($1)');
  const pairs = Array.from({ length: 20 }, (_, n) =>
    db.transaction(async (tx) => {
      await tx.query(PUT, [`${n} begins`]);
      await sleep(Math.random() * 3);
      await tx.query(PUT, [`${n} ends`]);
    }),
  );
  const singles = Array.from({ length: 20 }, (_, n) => db.query(PUT, [`single ${n}`]));
  await Promise.all([...pairs, ...singles]);
  const names = (await db.query<{ name: string }>(statement('test.names', 'SELECT name FROM log ORDER BY id'))).map(
    ({ name }) => name,
  );
  assert.is(names.length, 60);
  for (const [index, name] of names.entries()) {
    if (name.endsWith('begins')) assert.is(names[index + 1], name.replace('begins', 'ends'));
  }
});

test('keeps what was committed when its process is killed while it writes, and opens again and again', async () => {
  const directory = await mkdtemp(join(process.env.TEST_TEMP_DIR ?? tmpdir(), 'embedded-'));
  const target = join(directory, 'database');
  let acknowledged = 0;
  for (let round = 0; round < 2; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'embedded-writer.ts'), target], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const closed = once(child, 'close');
    while (said === '' && child.exitCode === null) await sleep(5);
    await sleep(Math.random() * 200);
    child.kill('SIGKILL');
    await closed;
    acknowledged = Math.max(acknowledged, ...said.split('\n').slice(0, -1).map(Number));
  }
  const again = await openEmbedded(target);
  const rows = await again.query<{ id: number; twin: number | null }>(THINGS);
  assert.ok(
    rows.some(({ id }) => id === acknowledged),
    'acknowledged is stored',
  );
  for (const { id, twin } of rows) assert.is(twin, id, 'a transaction is there whole or not at all');
  await again.close();
  await rm(directory, { recursive: true });
});

test('answers what is under way when it is closed', async () => {
  const [one] = await Promise.all([db.query(ONE), db.close()]);
  assert.equal(one, [{ one: 1 }]);
  await errorOf(db.query(ONE));
});

test.run();
