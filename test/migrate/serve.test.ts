import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { VERSION } from '../../src/lib/version.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { readMigrations } from '../../src/postgres/migrations.ts';
import { run, scaivault } from '../support/scaivault.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { withClient, withSession } from './fixtures.ts';

const test = suite('serve and the state of the schema');
const known = (await readMigrations(migrationsDirectory())).length;
let environment: TestEnvironment;

test.beforeEach(async () => {
  environment = await testEnvironment();
});
test.afterEach(() => environment.remove());

const bringUp = () =>
  withSession(environment.databaseUrl, (session) => migrate(session, migrationsDirectory(), VERSION));
const goAhead = (serves: string) =>
  withClient(environment.databaseUrl, (client) =>
    client.query(`INSERT INTO migration_checksums VALUES ($1, 'x', $2, now())`, [known + 1, serves]),
  );

test('behind, without leave to migrate: waits, then ends with 75 and the command to run', async () => {
  const { code, stderr } = await run(['serve', '--no-migrate'], { ...environment.env, START_TIMEOUT: '1s' });
  assert.is(code, 75, stderr);
  assert.match(stderr, /00001_foundation/);
  assert.match(stderr, /scaivault migrate/);
});

test('behind, without leave to migrate: is up, not ready, and starts when somebody else has migrated', async () => {
  const server = scaivault(['serve', '--no-migrate'], { ...environment.env, START_TIMEOUT: '15s' });
  try {
    await server.says(/waiting for somebody/);
    await bringUp();
    await server.ready();
  } finally {
    server.kill();
    await server.finished;
  }
});

test('ahead: refuses, names both versions', async () => {
  await bringUp();
  await goAhead('0.0.1');
  const { code, stderr } = await run(['serve'], environment.env);
  assert.is(code, 78, stderr);
  assert.match(stderr, `migration ${known + 1}`);
  assert.match(stderr, VERSION);
});

test('ahead and accepted: starts with a warning while the newest migration serves this release', async () => {
  await bringUp();
  await goAhead(VERSION);
  const server = scaivault(['serve'], { ...environment.env, ACCEPT_SCHEMA_AHEAD: 'true' });
  try {
    await server.ready();
    assert.match(server.stdout(), /"level":"warn"[^\n]*migrated by a newer release/);
  } finally {
    server.kill();
    await server.finished;
  }
  const entries = await withClient(environment.databaseUrl, async (client) => {
    const { rows } = await client.query(`SELECT extra_data FROM audit_log WHERE action = 'process_start'`);
    return rows;
  });
  assert.is(entries[0]?.extra_data.schema_ahead, true);
});

test('ahead and accepted, but the newest migration does not serve this release: refuses even so', async () => {
  await bringUp();
  for (const serves of ['0.10.0', '1.0.0']) {
    await goAhead(serves);
    const { code } = await run(['serve'], { ...environment.env, ACCEPT_SCHEMA_AHEAD: 'true' });
    assert.is(code, 78);
    await withClient(environment.databaseUrl, (client) =>
      client.query('DELETE FROM migration_checksums WHERE migration_id > $1', [known]),
    );
  }
});

test('ahead and accepted, but not begun as ours: refuses', async () => {
  await bringUp();
  await goAhead(VERSION);
  await withClient(environment.databaseUrl, (client) =>
    client.query(`UPDATE migration_checksums SET checksum = 'other' WHERE migration_id = 1`),
  );
  const { code, stderr } = await run(['serve'], { ...environment.env, ACCEPT_SCHEMA_AHEAD: 'true' });
  assert.is(code, 78);
  assert.match(stderr, '00001_foundation');
});

test.run();
