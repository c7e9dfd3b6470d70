import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { DatabaseUnavailable } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';
import { run } from '../support/scaivault.ts';
import { type PrivateServer, startPrivatePostgres } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { migrationDirectory, RELEASE } from './fixtures.ts';

const test = suite('migrating on a server that freezes', { timeoutMs: 40_000 });
const QUICK = { answerMs: 400, signOfLifeMs: 300 };
let server: PrivateServer;

test.before(async () => {
  server = await startPrivatePostgres();
});
test.after(() => server.remove());

const open = () => openMigrationSession(new Secret(server.url), QUICK);

async function failure(work: Promise<unknown>): Promise<{ readonly error: unknown; readonly ms: number }> {
  const started = Date.now();
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { error, ms: Date.now() - started };
}

test('gives a single statement up', async () => {
  const session = await open();
  await server.freeze();
  const { error, ms } = await failure(session.query('SELECT 1', []));
  await session.close();
  await server.thaw();
  assert.instance(error, DatabaseUnavailable);
  assert.ok(ms < 3_000, `${ms} ms`);
});

test('gives a long migration up, and it is rolled back', async () => {
  const directory = await migrationDirectory({ '00001_long': 'CREATE TABLE long (); SELECT pg_sleep(30);' });
  const session = await open();
  const running = failure(migrate(session, directory.path, RELEASE));
  await sleep(800);
  await server.freeze();
  const { error } = await running;
  await session.close();
  await server.thaw();
  assert.instance(error, DatabaseUnavailable);
  assert.match((error as Error).message, /stopped answering.*rolled back/);
  await directory.put('00001_long', 'CREATE TABLE long (id integer);');
  const again = await openMigrationSession(new Secret(server.url));
  // The server notices the loss of the client when the statement under way has ended.
  await again.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'
    AND pid <> pg_backend_pid()`,
    [],
  );
  assert.is((await migrate(again, directory.path, RELEASE)).applied.length, 1);
  await again.close();
  await directory.remove();
});

test('waits for a migration that takes long on a server that lives', async () => {
  const session = await open();
  await session.script('SELECT pg_sleep(3)');
  await session.close();
});

test('as a command ends with 69 and says so', async () => {
  await server.freeze();
  const started = Date.now();
  const { code, stderr } = await run(['migrate'], { DATABASE_URL: server.url });
  await server.thaw();
  assert.is(code, 69, stderr);
  assert.match(stderr, 'PostgreSQL cannot be reached');
  assert.ok(Date.now() - started < 20_000);
});

test.run();
