import * as assert from 'uvu/assert';
import { sql } from '../serve/serving.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';

const test = suite('scaivault migrate');
let database: TestDatabase;
const migrate = (...args: string[]) => run(['migrate', ...args], { DATABASE_URL: database.url });

test.before(async () => {
  database = await createDatabase();
});
test.after(() => database.drop());

test('--status and --dry-run say what is pending and change nothing', async () => {
  for (const flag of ['--status', '--dry-run']) {
    const said = await migrate(flag);
    assert.is(said.code, 75);
    assert.is(said.stdout, 'Behind: 0 applied, 1 pending:\n  00001_foundation\n');
    const { code, stdout } = await migrate(flag, '--json');
    assert.is(code, 75);
    const { started_at, duration_ms, version, ...rest } = JSON.parse(stdout);
    assert.ok(started_at && version && duration_ms >= 0);
    assert.equal(rest, {
      command: 'migrate',
      ok: false,
      status: 'failed',
      exit_code: 75,
      applied: [],
      pending: ['00001_foundation'],
    });
  }
  assert.equal(await sql(database.url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`), []);
});

test('two at once: one applies, the other waits, both end well', async () => {
  const both = await Promise.all([migrate(), migrate()]);
  assert.equal(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(both.map(({ stdout }) => stdout).sort(), [
    'Applied 00001_foundation.\n',
    'Nothing to do: the schema is current.\n',
  ]);
});

test('done again does nothing', async () => {
  assert.is((await migrate()).stdout, 'Nothing to do: the schema is current.\n');
  assert.is((await migrate('--status')).stdout, 'Current: 1 migrations applied, none pending.\n');
  const { applied, pending, ok } = JSON.parse((await migrate('--json')).stdout);
  assert.equal({ applied, pending, ok }, { applied: [], pending: [], ok: true });
});

test('refuses a database that is ahead, whatever it is asked', async () => {
  await sql(
    database.url,
    `INSERT INTO migration_checksums SELECT 2, checksum, '99.0.0' FROM migration_checksums WHERE migration_id = 1`,
  );
  for (const flag of ['--status', '--dry-run', '--json']) {
    const { code, stderr, stdout } = await migrate(flag);
    assert.is(code, 78, flag);
    assert.match(stderr, 'The database is at migration 2, this executable');
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
