import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { VERSION } from '../../src/lib/version.ts';
import { readMigrations } from '../../src/postgres/migrations.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Finished, run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';
import { tableNames, withClient } from './fixtures.ts';

const test = suite('scaivault migrate');
let database: TestDatabase;
const folders = (await readMigrations(migrationsDirectory())).map(({ folder }) => folder);

test.beforeEach(async () => {
  database = await createDatabase();
});
test.afterEach(() => database.drop());

const migrate = (...flags: string[]) => run(['migrate', ...flags], { DATABASE_URL: database.url });
const sql = (text: string) => withClient(database.url, (client) => client.query(text));

/** As a newer release would leave it. */
const goAhead = (serves: string) =>
  sql(`INSERT INTO migration_checksums VALUES (${folders.length + 1}, 'x', '${serves}', now())`);

function document({ stdout }: Finished) {
  const lines = stdout.trim().split('\n');
  assert.is(lines.length, 1, stdout);
  return JSON.parse(lines[0]!);
}

test('says what is pending, then applies it, then finds nothing to do', async () => {
  for (const flag of ['--status', '--dry-run']) {
    const before = await migrate(flag);
    assert.is(before.code, 75);
    assert.match(before.stdout, folders[0]!);
  }
  assert.equal(await tableNames(database.url), [], 'looking changes nothing');
  const first = await migrate();
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stdout, folders[0]!);
  assert.match(first.stderr, `applying ${folders[0]}`);
  const second = await migrate();
  assert.is(second.code, 0);
  assert.match(second.stdout, /nothing to do/i);
  assert.is((await migrate('--status')).code, 0);
});

test('started twice at once applies once, and both succeed', async () => {
  const outcomes = await Promise.all([migrate('--json'), migrate('--json')]);
  assert.equal(
    outcomes.map(({ code }) => code),
    [0, 0],
  );
  const applied = outcomes.map((outcome) => document(outcome).applied.length).sort();
  assert.equal(applied, [0, folders.length]);
});

test('prints one JSON document with the members that all have', async () => {
  const pending = document(await migrate('--status', '--json'));
  assert.is(pending.command, 'migrate');
  assert.is(pending.ok, false);
  assert.is(pending.status, 'failed');
  assert.is(pending.exit_code, 75);
  assert.is(pending.version, VERSION);
  assert.match(pending.started_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.type(pending.duration_ms, 'number');
  assert.equal([pending.applied, pending.pending], [[], folders]);
  const done = document(await migrate('--json'));
  assert.equal([done.ok, done.status, done.exit_code], [true, 'passed', 0]);
  assert.equal([done.applied, done.pending], [folders, []]);
});

test('refuses a database that is ahead, with both versions and a way back', async () => {
  await migrate();
  await goAhead('0.1.0');
  for (const flags of [[], ['--status'], ['--dry-run']]) {
    const { code, stdout, stderr } = await migrate(...flags);
    assert.is(code, 78);
    assert.match(stdout + stderr, `migration ${folders.length + 1}`);
    assert.match(stdout + stderr, VERSION);
    assert.match(stdout + stderr, /backup/);
  }
  const { error, ok } = document(await migrate('--json'));
  assert.equal([ok, error.code], [false, 'schema_refused']);
});

test('refuses an applied migration that was changed, and names it', async () => {
  await migrate();
  await sql(`UPDATE migration_checksums SET checksum = 'other' WHERE migration_id = 1`);
  const { code, stderr, stdout } = await migrate();
  assert.is(code, 78);
  assert.match(stdout + stderr, folders[0]!);
});

test('tells a server that is not there from one that refuses, and shows no password', async () => {
  const away = await run(['migrate'], { DATABASE_URL: 'postgresql://alice:hunter2@127.0.0.1:1/nowhere' });
  assert.is(away.code, 69, away.stderr);
  const url = new URL(database.url);
  url.pathname = '/there_is_no_such_database';
  url.password = 'hunter2';
  const refused = await run(['migrate'], { DATABASE_URL: url.href });
  assert.is(refused.code, 78, refused.stderr);
  for (const { stdout, stderr } of [away, refused]) {
    assert.not.match(stdout + stderr, 'hunter2');
    assert.not.match(stderr, /^ +at /m, 'no stack trace');
  }
});

test.run();
