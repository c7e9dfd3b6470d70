import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { DatabaseUnavailable } from '../../src/postgres/database.ts';
import { inspectSchema, MigrationBlocked, migrate, SchemaRefused } from '../../src/postgres/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import {
  type Directory,
  migrationDirectory,
  openSession,
  RELEASE,
  tableNames,
  withClient,
  withSession,
} from './fixtures.ts';

const test = suite('migrating');
let database: TestDatabase;
let directory: Directory;

test.beforeEach(async () => {
  database = await createDatabase();
  directory = await migrationDirectory({
    '00001_first': 'CREATE TABLE first (id integer PRIMARY KEY);',
    '00002_second': 'CREATE TABLE second (id integer PRIMARY KEY); INSERT INTO first VALUES (2);',
  });
});
test.afterEach(async () => {
  await directory.remove();
  await database.drop();
});

const run = (path = directory.path, lockTimeoutMs?: number) =>
  withSession(database.url, (session) => migrate(session, path, RELEASE, undefined, lockTimeoutMs));
const inspect = () => withSession(database.url, (session) => inspectSchema(session, directory.path));
const count = (table: string) =>
  withClient(database.url, async (client) =>
    Number((await client.query(`SELECT count(*) FROM ${table}`)).rows[0].count),
  );

async function refusal(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, Error);
    return error as Error;
  }
  throw new Error('it was not refused');
}

test('applies what is missing, each in its order, and finds nothing the second time', async () => {
  assert.equal((await inspect()).state, 'behind');
  const first = await run();
  assert.equal(
    first.applied.map(({ folder }) => folder),
    ['00001_first', '00002_second'],
  );
  assert.equal(await inspect(), { state: 'current', applied: 2 });
  assert.equal((await run()).applied, []);
  assert.is(await count('migrations'), 2);
  assert.is(await count('first'), 1);
});

test('continues where an older release stopped', async () => {
  await run();
  await directory.put('00003_third', 'CREATE TABLE third ();');
  const state = await inspect();
  assert.is(state.state, 'behind');
  assert.equal(state.state === 'behind' && state.pending.map(({ folder }) => folder), ['00003_third']);
  assert.equal(
    (await run()).applied.map(({ id }) => id),
    [3],
  );
});

test('done by five at once happens once', async () => {
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => run(migrationsDirectory())));
  const applied = outcomes.map(({ applied }) => applied.length).sort();
  assert.equal(applied.slice(0, 4), [0, 0, 0, 0]);
  assert.ok((applied[4] ?? 0) > 0);
});

test('of a migration that fails leaves nothing of it, and what came before stays', async () => {
  await directory.put('00002_second', 'CREATE TABLE second (); INSERT INTO nowhere VALUES (1);');
  const error = await refusal(run());
  assert.match(error.message, 'nowhere');
  assert.equal(await tableNames(database.url), ['first', 'migration_checksums', 'migrations']);
  assert.is(await count('migrations'), 1);
  assert.is(await count('migration_checksums'), 1);
  await directory.put('00002_second', 'CREATE TABLE second ();');
  assert.equal(
    (await run()).applied.map(({ id }) => id),
    [2],
  );
});

test('gives up on a table that somebody holds, half-applies nothing, and works afterwards', async () => {
  await directory.put('00003_third', 'CREATE TABLE third (); ALTER TABLE first ADD COLUMN name text;');
  await directory.put('00002_second', 'CREATE TABLE second ();');
  await directory.put('00001_first', 'CREATE TABLE first ();');
  await withClient(database.url, async (holder) => {
    const only = await migrationDirectory({ '00001_first': 'CREATE TABLE first ();' });
    await run(only.path);
    await only.remove();
    await holder.query('BEGIN; LOCK TABLE first IN ACCESS SHARE MODE');
    const started = Date.now();
    const error = await refusal(run(directory.path, 60));
    assert.instance(error, MigrationBlocked);
    assert.match(error.message, '00003_third');
    assert.match(error.message, /5 tries.*pg_stat_activity/);
    assert.ok(Date.now() - started >= 5 * 60, 'it tries five times');
    assert.not.ok((await tableNames(database.url)).includes('third'));
    assert.is(await count('migrations'), 2);
    await holder.query('COMMIT');
  });
  assert.equal(
    (await run(directory.path, 60)).applied.map(({ id }) => id),
    [3],
  );
});

test('takes a table that becomes free between two tries', async () => {
  await run();
  await directory.put('00003_third', 'ALTER TABLE first ADD COLUMN name text;');
  await withClient(database.url, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE first IN ACCESS SHARE MODE');
    const running = run(directory.path, 200);
    await sleep(350);
    await holder.query('COMMIT');
    assert.equal(
      (await running).applied.map(({ id }) => id),
      [3],
    );
  });
});

test('refuses a database that is ahead, and names both versions', async () => {
  await directory.put('00003_third', 'CREATE TABLE third ();');
  await run();
  const older = await migrationDirectory({ '00001_first': 'CREATE TABLE first (id integer PRIMARY KEY);' });
  const error = await refusal(run(older.path));
  await older.remove();
  assert.instance(error, SchemaRefused);
  assert.match(error.message, /migration 3, this executable \(1\.2\.3\) knows 1/);
  assert.match(error.message, /release that made it|backup/);
});

test('refuses an applied migration that was changed afterwards, and names it', async () => {
  await run();
  await directory.put('00001_first', 'CREATE TABLE first (id bigint PRIMARY KEY);');
  const error = await refusal(run());
  assert.instance(error, SchemaRefused);
  assert.match(error.message, '00001_first');
  assert.not.match(error.message, '00002_second');
});

test('takes a database that is ahead and began otherwise for a changed one', async () => {
  await run();
  const other = await migrationDirectory({ '00001_first': 'CREATE TABLE another ();' });
  const state = await withSession(database.url, (session) => inspectSchema(session, other.path));
  await other.remove();
  assert.equal(state, { state: 'changed', applied: 2, changed: ['00001_first'] });
});

test('of a gap in the numbers, or without the line that says whom it serves, is refused before anything is done', async () => {
  await directory.put('00004_fourth', 'CREATE TABLE fourth ();');
  assert.match((await refusal(run())).message, /00004_fourth: expected number 00003/);
  await directory.put('00003_third', '!CREATE TABLE third ();');
  assert.match((await refusal(run())).message, /00003_third: .*-- serves: X\.Y\.Z.* is missing/);
  assert.not.ok((await tableNames(database.url)).includes('first'));
});

test('reads from a directory that nobody may write to', async () => {
  await chmod(join(directory.path, '00001_first'), 0o555);
  await chmod(directory.path, 0o555);
  try {
    assert.is((await run()).applied.length, 2);
  } finally {
    await chmod(directory.path, 0o755);
    await chmod(join(directory.path, '00001_first'), 0o755);
  }
});

test('that was killed in the middle is completed by the next run', async () => {
  await directory.put('00002_second', 'CREATE TABLE second (); SELECT pg_sleep(30); CREATE TABLE third ();');
  const child = spawn(process.execPath, [join(import.meta.dirname, 'migrator.ts'), database.url, directory.path]);
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  while (!said.includes('applying 00002_second')) await sleep(20);
  await sleep(100);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  // The server notices the loss of the client when it answers; an administrator would not wait for that.
  await withClient(database.url, (client) =>
    client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'scaivault-migrate'`),
  );
  assert.equal(await tableNames(database.url), ['first', 'migration_checksums', 'migrations']);
  await directory.put('00002_second', 'CREATE TABLE second ();');
  assert.equal(
    (await run()).applied.map(({ id }) => id),
    [2],
  );
});

test('waits while another migrator is at work', async () => {
  const holder = await openSession(database.url);
  await holder.query(`SELECT pg_advisory_lock(hashtextextended('scaivault:migrate', 0))`, []);
  // A time limit on table locks is none on this one.
  const running = run(directory.path, 50);
  await sleep(700);
  assert.is((await inspect()).state, 'behind');
  await holder.close();
  assert.is((await running).applied.length, 2);
});

test('whose connection is lost says that the database is unavailable', async () => {
  await directory.put('00001_first', 'SELECT pg_terminate_backend(pg_backend_pid());');
  assert.instance(await refusal(run()), DatabaseUnavailable);
});

test('keeps to the schema that the URL names', async () => {
  await withClient(database.url, (client) => client.query('CREATE SCHEMA elsewhere'));
  const url = `${database.url}?options=-csearch_path%3Delsewhere`;
  await withSession(url, (session) => migrate(session, migrationsDirectory(), RELEASE));
  assert.equal(await tableNames(database.url), []);
  const outcome = await withSession(url, (session) => inspectSchema(session, migrationsDirectory()));
  assert.is(outcome.state, 'current');
  const [made] = await withClient(
    url,
    async (client) => (await client.query('SELECT audit_ensure_partitions(13)')).rows,
  );
  assert.is(made.audit_ensure_partitions, 1);
});

test.run();
