/** A real server under a role that may read and write rows, and nothing else. */
import * as assert from 'uvu/assert';
import { killAll, launch, refusal, serving, sql } from '../serve/serving.ts';
import { run } from '../support/scaivault.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { type RoleHouse, roleHouse } from './app-roles.ts';

const test = suite('serve under --app-role', { timeoutMs: 60_000 });
let environment: TestEnvironment;
let house: RoleHouse;
let owner: string;
let app: string;

test.beforeEach(async () => {
  environment = await testEnvironment();
  // Its own database is not used: the roles belong to the whole server.
  house = await roleHouse();
  [owner, app] = [await house.role(), await house.role()];
  await sql(environment.databaseUrl, `ALTER DATABASE ${databaseName()} OWNER TO ${owner}`);
});
test.afterEach(async () => {
  await killAll();
  await environment.remove();
  await house.remove();
});

const databaseName = () => new URL(environment.databaseUrl).pathname.slice(1);
function as(role: string): string {
  const url = new URL(house.as(role));
  url.pathname = `/${databaseName()}`;
  return url.href;
}
const nameApp = async () => {
  const { code, stderr } = await run(['migrate', '--app-role', app], { DATABASE_URL: as(owner) });
  assert.is(code, 0, stderr);
};

test('works whole: writes, reads, lists, administers, and makes audit partitions, as one who may change no table', async () => {
  await nameApp();
  const newest = `SELECT max(tablename) AS name FROM pg_tables WHERE tablename ~ '^audit_log_2'`;
  const [{ name }] = (await sql(environment.databaseUrl, newest)) as [{ name: string }];
  await sql(environment.databaseUrl, `DROP TABLE ${name}`);

  const server = await serving(environment, { DATABASE_URL: as(app) }, ['--no-migrate']);
  await server.allow([{ path_pattern: '**', permissions: ['read', 'write', 'list', 'delete'] }]);
  assert.is((await server.ask('PUT', '/v1/secrets/app/db', { body: { data: { password: 'one' } } })).status, 201);
  assert.is((await server.ask('PUT', '/v1/secrets/app/db', { body: { data: { password: 'two' } } })).status, 200);
  assert.equal((await server.ask('GET', '/v1/secrets/app/db')).body.data, { password: 'two' });
  const entries = await sql(environment.databaseUrl, `SELECT 1 FROM audit_log WHERE action IN ('write', 'read')`);
  assert.ok(entries.length >= 3);

  const users = await sql(
    environment.databaseUrl,
    `SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'scaivault%'`,
  );
  assert.equal(users, [{ usename: app }]);
  const [partition] = await sql(environment.databaseUrl, `SELECT tableowner FROM pg_tables WHERE tablename = $1`, [
    name,
  ]);
  assert.equal(partition, { tableowner: owner }, 'made again at the start, and it is not the server that owns it');
  const end = await server.stop();
  assert.is(end.code, 0);
  assert.not.match(end.stdout, /"level":"error"|permission denied/);
});

test('looks at the schema as the owner that DATABASE_MIGRATE_URL names, and goes on without that right', async () => {
  await nameApp();
  const server = await serving(environment, { DATABASE_URL: as(app), DATABASE_MIGRATE_URL: as(owner) });
  const owners = await sql(
    environment.databaseUrl,
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`,
    [owner],
  );
  assert.equal(owners, [{ n: 0 }], "the owner's connection is closed");
  assert.is((await server.stop()).code, 0);
});

test('without the grants is refused with 78 and the command that gives them', async () => {
  // An empty database: the server migrates as the owner, and then is told what its own role lacks.
  const first = await launch(environment, { DATABASE_URL: as(app), DATABASE_MIGRATE_URL: as(owner) }).finished;
  assert.is(first.code, 78, first.stderr);
  const { line, code } = refusal(first);
  assert.is(code, 'privilege_missing');
  assert.match(line, /permission denied/);
  assert.match(line, 'scaivault migrate --app-role NAME');

  const second = await launch(environment, { DATABASE_URL: as(app) }, ['--no-migrate']).finished;
  assert.is(second.code, 78, second.stderr);
  await nameApp();
  const server = await serving(environment, { DATABASE_URL: as(app), DATABASE_MIGRATE_URL: as(owner) });
  assert.is((await server.stop()).code, 0);
});

test.run();
