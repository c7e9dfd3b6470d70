import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { killAll, type Serving, serving, sql } from './serving.ts';

const test = suite('a production server', { timeoutMs: 30_000 });
let environment: TestEnvironment;
let server: Serving;

test.before(async () => {
  environment = await testEnvironment({ TENANT_AUTOCREATE: 'false' });
  server = await serving(environment);
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

const row = async (requestId: string | null) => {
  const rows = await sql<Record<string, unknown>>(
    environment.databaseUrl,
    'SELECT action, success, error_code, tenant_id, identity_id, secret_path, version FROM audit_log WHERE request_id = $1',
    [requestId],
  );
  assert.is(rows.length, 1, `one row for ${requestId}`);
  return rows[0]!;
};

test('promotes the first super_admin once, and nobody after', async () => {
  const first = await server.ask('GET', '/v1/auth/whoami', { token: server.adminToken() });
  assert.is(first.status, 200, first.text);
  assert.equal(first.body.roles, ['super_admin']);
  const again = await server.ask('GET', '/v1/auth/whoami', { token: server.adminToken() });
  assert.equal(again.body.roles, ['super_admin']);
  assert.equal((await server.ask('GET', '/v1/auth/whoami')).body.roles, []);
  const changes = await sql(
    environment.databaseUrl,
    `SELECT extra_data->>'iss' AS iss, extra_data->>'sub' AS sub FROM audit_log WHERE action = 'role_change'`,
  );
  assert.equal(changes, [{ iss: environment.issuer.issuer, sub: environment.adminSub }]);
});

test('does nothing for a later change of BOOTSTRAP_SUPER_ADMIN, and keeps the first', async () => {
  const other = await serving(environment, { BOOTSTRAP_SUPER_ADMIN: 'sub:usr_mallory' });
  const mallory = await other.ask('GET', '/v1/auth/whoami', { token: other.token({ sub: 'usr_mallory' }) });
  assert.equal(mallory.body.roles, []);
  const first = await other.ask('GET', '/v1/auth/whoami', { token: other.adminToken() });
  assert.equal(first.body.roles, ['super_admin']);
  await other.stop();
});

test('knows no tenant that only a token names', async () => {
  const stranger = server.token({ tenant_id: 'tnt_unknown' });
  const asked = await server.ask('GET', '/v1/auth/whoami', { token: stranger });
  assert.is(asked.status, 403, asked.text);
  assert.is(asked.body.error.code, 'tenant_access_denied');
});

test('goes the whole way: tenant, policy, binding, then the other user writes and reads', async () => {
  const tenantId = `${environment.tenantId}_two`;
  const admin = { token: server.adminToken() };
  const made = await server.ask('POST', '/v1/identity/tenants', {
    ...admin,
    body: { tenant_id: tenantId, partner_id: environment.partnerId },
  });
  assert.is(made.status, 201, made.text);
  const bob = server.token({ sub: 'usr_bob', tenant_id: tenantId, email: 'bob@example.com' });
  // Default deny, for the administrator as well.
  assert.is((await server.ask('GET', '/v1/secrets/app/db', { token: bob })).status, 403);
  assert.is(
    (await server.ask('GET', '/v1/secrets/app/db', { ...admin, headers: { 'x-tenant-id': tenantId } })).status,
    403,
  );
  await server.allow([{ path_pattern: 'app/*', permissions: ['read', 'write'] }], 'user:usr_bob', tenantId);
  const written = await server.ask('PUT', '/v1/secrets/app/db', { token: bob, body: { data: { password: 'two' } } });
  assert.is(written.status, 201, written.text);
  const read = await server.ask('GET', '/v1/secrets/app/db', { token: bob });
  assert.equal(read.body.data, { password: 'two' });
  assert.equal(await row(read.headers.get('x-request-id')), {
    action: 'read',
    success: true,
    error_code: null,
    tenant_id: tenantId,
    identity_id: 'user:bob@example.com',
    secret_path: 'app/db',
    version: 1,
  });
  // Alice of the first tenant sees nothing of it, under the same path.
  assert.is((await server.ask('GET', '/v1/secrets/app/db')).status, 403);
});

test('has the audit row stored before the answer, for a value, a change and a no', async () => {
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  for (const [ask, expected] of [
    [
      () => server.ask('PUT', '/v1/secrets/app/row', { body: { data: { a: '1' } } }),
      { action: 'write', success: true },
    ],
    [() => server.ask('GET', '/v1/secrets/app/row'), { action: 'read', success: true }],
    [() => server.ask('GET', '/v1/secrets/other/row'), { action: 'read', success: false, error_code: 'access_denied' }],
    [
      () => server.ask('GET', '/v1/secrets/app/none'),
      { action: 'read', success: false, error_code: 'secret_not_found' },
    ],
  ] as const) {
    const answer = await ask();
    const stored = await row(answer.headers.get('x-request-id'));
    for (const [name, value] of Object.entries(expected)) assert.is(stored[name], value, `${name}: ${answer.text}`);
  }
});

test('gives no value and makes no change while the audit log cannot be written', async () => {
  const value = { password: 'must-not-leave' };
  assert.is((await server.ask('PUT', '/v1/secrets/app/guarded', { body: { data: value } })).status, 201);
  await sql(
    environment.databaseUrl,
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no audit today'; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
  try {
    for (const [method, path, body] of [
      ['GET', '/v1/secrets/app/guarded', null],
      ['PUT', '/v1/secrets/app/guarded', { data: { password: 'other' } }],
      ['PUT', '/v1/secrets/app/guarded-new', { data: { password: 'other' } }],
      ['GET', '/v1/secrets/denied/x', null],
      ['GET', '/v1/auth/whoami', null],
    ] as const) {
      const answer = await server.ask(method, path, body === null ? {} : { body });
      assert.is(answer.status, 503, `${method} ${path}: ${answer.text}`);
      assert.is(answer.body.error.code, 'service_unavailable');
      assert.ok(answer.headers.get('retry-after'), 'Retry-After');
      assert.equal(Object.keys(answer.body), ['error']);
      assert.not.match(answer.text, /must-not-leave|no audit today/);
    }
  } finally {
    await sql(environment.databaseUrl, 'DROP TRIGGER refuse ON audit_log; DROP FUNCTION refuse()');
  }
  const read = await server.ask('GET', '/v1/secrets/app/guarded');
  assert.is(read.body.version, 1);
  assert.equal(read.body.data, value);
  assert.is((await server.ask('GET', '/v1/secrets/app/guarded-new')).status, 404);
});

test.run();
