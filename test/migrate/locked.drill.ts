import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { createDatabase } from '../support/postgres.ts';
import { run, scaivault } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';
import { withClient } from './fixtures.ts';

const test = suite('scaivault migrate', { timeoutMs: 90_000 });

test('that cannot get its locks ends with 75 after five tries of five seconds, and has done nothing', async () => {
  const database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  await withClient(database.url, async (holder) => {
    // Whoever makes the same table has to wait until it is known whether this one comes to be.
    await holder.query('BEGIN; CREATE TABLE secrets ()');
    const { code, stdout, stderr } = await run(['migrate', '--json'], env);
    assert.is(code, 75, stderr);
    assert.is(JSON.parse(stdout).error.code, 'migration_blocked');
    await holder.query('ROLLBACK');
    const { rows } = await holder.query('SELECT * FROM migration_checksums');
    assert.equal(rows, []);
  });
  assert.is((await run(['migrate'], env)).code, 0);
  await database.drop();
});

test('that waits for another migrator says so every five seconds', async () => {
  const database = await createDatabase();
  await withClient(database.url, async (holder) => {
    await holder.query(`SELECT pg_advisory_lock(hashtextextended('scaivault:migrate', 0))`);
    const migrator = scaivault(['migrate', '--json'], { DATABASE_URL: database.url });
    await sleep(11_500);
    const lines = migrator.stderr().match(/waiting for another migrator, \d+ s so far\n/g) ?? [];
    assert.is(lines.length, 2, migrator.stderr());
    await holder.query('SELECT pg_advisory_unlock_all()');
    assert.is((await migrator.finished).code, 0);
  });
  await database.drop();
});

test.run();
