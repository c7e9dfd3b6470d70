import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { readMigrations } from '../../src/postgres/migrations.ts';
import { sql } from '../serve/serving.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';

const test = suite('scaivault migrate');
let database: TestDatabase;
const folders = (await readMigrations(migrationsDirectory())).map(({ folder }) => folder);
const tables = () => sql(database.url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
const migrate = (...args: string[]) => run(['migrate', ...args], { DATABASE_URL: database.url });

test.before(async () => {
  database = await createDatabase();
});
test.after(() => database.drop());

test('--status says what is pending and changes nothing', async () => {
  const said = await migrate('--status');
  assert.is(said.code, 75);
  assert.is(
    said.stdout,
    `Behind: 0 applied, ${folders.length} pending:\n${folders.map((name) => `  ${name}\n`).join('')}`,
  );
  const { code, stdout } = await migrate('--status', '--json');
  assert.is(code, 75);
  const { started_at, duration_ms, version, ...rest } = JSON.parse(stdout);
  assert.ok(started_at && version && duration_ms >= 0);
  const envelope = { command: 'migrate', ok: false, status: 'failed', exit_code: 75 };
  assert.equal(rest, { ...envelope, applied: [], pending: folders });
  assert.equal(await tables(), []);
});

test('--plan shows all that would be run, for people and for machines, and changes nothing', async () => {
  const said = await migrate('--plan');
  assert.is(said.code, 75);
  assert.is(said.stderr, '');
  const { plan, pending, grants } = JSON.parse((await migrate('--plan', '--json')).stdout);
  assert.equal(pending, folders);
  assert.is(grants, undefined);
  for (const [index, folder] of folders.entries()) {
    const sql = await readFile(join(migrationsDirectory(), folder, 'index.sql'), 'utf8');
    const planned = plan[index];
    assert.equal([planned.id, planned.folder, planned.sql], [index + 1, folder, sql]);
    assert.is(planned.checksum, createHash('sha256').update(sql).digest('hex'));
    assert.match(planned.serves, /^\d+\.\d+\.\d+$/);
    assert.equal(planned.locks, [], 'all tables are new');
    for (const text of [`-- ${folder}\n`, planned.checksum, sql.trimEnd()]) assert.ok(said.stdout.includes(text), text);
  }
  assert.match(said.stdout, 'of this the text does not tell: SELECT audit_ensure_partitions(12)');
  assert.equal(await tables(), []);
});

test('--dry-run does it and takes it back, and says how long it took', async () => {
  const said = await migrate('--dry-run');
  assert.is(said.code, 75, said.stderr);
  assert.match(said.stdout, /^Applied and rolled back:\n {2}00001_foundation\n {4}took {6}\d+ ms\n/);
  assert.match(said.stderr, 'applying 00001_foundation\n');
  const { rehearsed, pending, applied } = JSON.parse((await migrate('--dry-run', '--json')).stdout);
  assert.equal([applied, pending], [[], folders]);
  assert.equal(
    rehearsed.map(({ folder, locks }: { folder: string; locks: unknown[] }) => [folder, locks]),
    folders.map((folder) => [folder, []]),
  );
  assert.equal(await tables(), []);
});

test('takes one way of looking at a time', async () => {
  for (const flags of [
    ['--status', '--plan'],
    ['--plan', '--dry-run'],
    ['--status', '--dry-run', '--json'],
  ]) {
    const { code, stderr } = await migrate(...flags);
    assert.is(code, 64);
    assert.match(stderr, `${flags[0]} and ${flags[1]} cannot be given together`);
  }
});

test('two at once: one applies, the other waits, both end well', async () => {
  const both = await Promise.all([migrate(), migrate()]);
  assert.equal(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(both.map(({ stdout }) => stdout).sort(), [
    `Applied ${folders.join(', ')}.\n`,
    'Nothing to do: the schema is current.\n',
  ]);
});

test('done again does nothing', async () => {
  assert.is((await migrate()).stdout, 'Nothing to do: the schema is current.\n');
  const current = `Current: ${folders.length} migrations applied, none pending.`;
  assert.is((await migrate('--status')).stdout, `${current}\n`);
  for (const flag of ['--plan', '--dry-run']) assert.is((await migrate(flag)).code, 0, flag);
  assert.is((await migrate('--plan')).stdout, `-- ${current}\n`);
  const { applied, pending, ok } = JSON.parse((await migrate('--json')).stdout);
  assert.equal({ applied, pending, ok }, { applied: [], pending: [], ok: true });
});

test('refuses a database that is ahead, whatever it is asked', async () => {
  await sql(
    database.url,
    `INSERT INTO migration_checksums SELECT ${folders.length + 1}, checksum, '99.0.0' FROM migration_checksums WHERE migration_id = 1`,
  );
  for (const flag of ['--status', '--plan', '--dry-run', '--json']) {
    const { code, stderr, stdout } = await migrate(flag);
    assert.is(code, 78, flag);
    assert.match(stderr, `The database is at migration ${folders.length + 1}, this executable`);
    if (flag === '--json') assert.is(JSON.parse(stdout).error.code, 'schema_refused');
    else assert.is(stdout, '');
  }
});

test('takes --database-url without a password, and refuses one with', async () => {
  const fresh = await createDatabase();
  const { code, stdout } = await run(['migrate', '--status', '--database-url', fresh.url]);
  assert.is(code, 75, stdout);
  const url = new URL(fresh.url);
  url.password = 'canary-password';
  const refused = await run(['migrate', '--database-url', url.href]);
  assert.is(refused.code, 78);
  assert.match(refused.stderr, 'must not hold a password');
  assert.not.match(refused.stderr + refused.stdout, 'canary');
  await fresh.drop();
});

test.run();
