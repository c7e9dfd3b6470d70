import { Client } from 'pg';
import * as assert from 'uvu/assert';
import { freePort } from '../../scripts/test/servers/instance.ts';
import { client, type TestEnvironment, testEnvironment } from '../support/server.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { killAll, launch, logLines, serving, session, sql, untilStatus } from './serving.ts';

const test = suite('a start', { timeoutMs: 40_000 });
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment();
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

/** A server that waits for PostgreSQL, on a port that is known beforehand. */
async function waiting(variables: Readonly<Record<string, string>>) {
  const port = await freePort();
  const process = launch(environment, { BIND_ADDRESS: `127.0.0.1:${port}`, START_TIMEOUT: '60s', ...variables });
  const url = `http://127.0.0.1:${port}`;
  const api = client(environment, url);
  await untilStatus(() => api.ask('GET', '/v1/health', { token: null }), 200, 20_000);
  return { ...api, url, process };
}

test('answers health and version while it waits for PostgreSQL, and nothing else', async () => {
  const postgres = await startPrivatePostgres();
  await postgres.stop();
  const server = await waiting({ DATABASE_URL: postgres.url });
  const version = await server.ask('GET', '/v1/version', { token: null });
  assert.is(version.status, 200);
  assert.match(version.body.version, /^\d+\.\d+\.\d+$/);
  const ready = await server.ask('GET', '/v1/health/ready', { token: null });
  assert.is(ready.status, 503);
  assert.is(ready.body.status, 'not_ready');
  assert.ok(ready.headers.get('retry-after'));
  for (const [method, path] of [
    ['GET', '/v1/secrets/app/x'],
    ['PUT', '/v1/secrets/app/x'],
    ['GET', '/v1/openapi.json'],
    ['GET', '/v1/no/such/route'],
    ['POST', '/v1/health'],
    ['GET', '/'],
  ] as const) {
    const body = method === 'GET' ? {} : { body: { data: { a: 'b' } } };
    const answer = await server.ask(method, path, body);
    assert.is(answer.status, 503, `${method} ${path}`);
    assert.is(answer.body.error.code, 'service_unavailable');
    assert.ok(answer.body.error.request_id);
    assert.ok(answer.headers.get('retry-after'));
    assert.is(answer.headers.get('cache-control'), 'no-store');
    assert.is(answer.headers.get('server'), null);
  }
  // It goes on by itself once there is one.
  await postgres.start();
  await untilStatus(() => server.ask('GET', '/v1/health/ready', { token: null }), 200, 20_000);
  server.process.kill();
  assert.is((await server.process.finished).code, 0);
  await postgres.remove();
});

test('that waits is ended by a signal at once', async () => {
  const server = await waiting({ DATABASE_URL: 'postgresql://postgres@127.0.0.1:1/none' });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const other =
      signal === 'SIGTERM' ? server : await waiting({ DATABASE_URL: 'postgresql://postgres@127.0.0.1:1/none' });
    const asked = Date.now();
    other.process.kill(signal);
    const end = await other.process.finished;
    assert.is(end.code, 0, signal);
    assert.ok(Date.now() - asked < 1_000);
    assert.match(end.stdout, 'stopped before it was ready');
  }
});

test('without Redis is ready and says that it is degraded', async () => {
  const server = await serving(environment, { REDIS_URL: 'redis://127.0.0.1:1/0' });
  const ready = await server.ask('GET', '/v1/health/ready', { token: null });
  assert.is(ready.status, 200, ready.text);
  assert.is(ready.body.checks.redis, 'degraded');
  assert.equal(ready.body.degraded, ['redis']);
  assert.ok(ready.body.errors.redis);
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  const written = await server.ask('PUT', '/v1/secrets/app/without-redis', { body: { data: { a: '1' } } });
  assert.is(written.status, 201, written.text);
  assert.ok(written.headers.get('x-ratelimit-limit'));
  assert.ok(logLines(server.process.stdout()).some((line) => line.level === 'warn' && /redis/i.test(String(line.msg))));
  assert.is((await server.stop()).code, 0);
});

test('without Redis is not ready where READY_REQUIRES_REDIS says so', async () => {
  const variables = { REDIS_URL: 'redis://127.0.0.1:1/0', READY_REQUIRES_REDIS: 'true' };
  const server = await serving(environment, variables);
  const ready = await server.ask('GET', '/v1/health/ready', { token: null });
  assert.is(ready.status, 503);
  assert.is(ready.body.checks.redis, 'failed');
  assert.is((await server.stop()).code, 0);
});

test('without the issuer is ready; its tokens are answered 503 until it can be asked, never 401', async () => {
  await environment.issuer.stop();
  const server = await serving(environment);
  assert.is((await server.ask('GET', '/v1/health/ready', { token: null })).status, 200);
  const asked = await server.ask('GET', '/v1/auth/whoami');
  assert.is(asked.status, 503, asked.text);
  assert.is(asked.body.error.code, 'service_unavailable');
  assert.ok(asked.headers.get('retry-after'));
  // Who brings no token at all is told so.
  assert.is((await server.ask('GET', '/v1/auth/whoami', { token: null })).status, 401);
  await environment.issuer.start();
  await untilStatus(() => server.ask('GET', '/v1/auth/whoami'), 200, 20_000);
  assert.is((await server.stop()).code, 0);
});

test('beside one that migrates waits for it, and says so', async () => {
  const fresh = await testEnvironment();
  // As a migrator would, and for as long as this test likes.
  const migrator = await session(fresh.databaseUrl);
  await migrator.query(`SELECT pg_advisory_lock(hashtextextended('scaivault:migrate', 0))`);
  const server = launch(fresh);
  await server.says('waiting for another migrator', 20_000);
  assert.equal(await sql(fresh.databaseUrl, `SELECT to_regclass('secrets') AS found`), [{ found: null }]);
  await migrator.end();
  await server.ready(20_000);
  server.kill();
  assert.is((await server.finished).code, 0);
  await fresh.remove();
});

test('with --no-migrate goes on when somebody has migrated', async () => {
  const fresh = await testEnvironment({ START_TIMEOUT: '60s' });
  const server = launch(fresh, {}, ['--no-migrate']);
  await server.says('waiting for somebody to run', 20_000);
  const { run } = await import('../support/scaivault.ts');
  const migrated = await run(['migrate'], { DATABASE_URL: fresh.databaseUrl });
  assert.is(migrated.code, 0, migrated.stderr);
  await server.ready(20_000);
  server.kill();
  assert.is((await server.finished).code, 0);
  await fresh.remove();
});

test('uses DATABASE_MIGRATE_URL for the migrations, and serves as the other role', async () => {
  const fresh = await testEnvironment();
  const role = `app_${fresh.tenantId.slice(4)}`;
  const admin = new Client({ connectionString: fresh.databaseUrl });
  await admin.connect();
  await admin.query(`CREATE ROLE ${role} LOGIN; ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role};
    ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO ${role}`);
  const url = new URL(fresh.databaseUrl);
  url.username = role;
  const server = await serving(fresh, { DATABASE_URL: url.href, DATABASE_MIGRATE_URL: fresh.databaseUrl });
  assert.is((await server.ask('GET', '/v1/auth/whoami')).status, 200);
  assert.is((await server.stop()).code, 0);
  const { rows } = await admin.query(`SELECT tableowner FROM pg_tables WHERE tablename = 'secrets'`);
  assert.is.not(rows[0].tableowner, role);
  await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await admin.end();
  await fresh.remove();
});

test.run();
