/** What the pipeline leaves behind: one entry for each request that reached an identity, whatever became of it. */
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { type AuditRow, assertError, type House, requestId, startHouse } from './house.ts';

const test = suite('the audit trail of requests', { timeoutMs: 30_000 });
let house: House;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  await house.ask('PUT', '/v1/secrets/app/db', { body: { data: { a: 1 } } });
});
test.after(() => house.stop());

type Asked = Parameters<House['ask']>[2] & { readonly headers?: Record<string, string> };

interface Case {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly asked?: () => Asked;
  readonly status: number;
  readonly code: string | null;
  readonly row: Partial<AuditRow>;
}

const data = { body: { data: { a: 2 } } };
const onPath = { secret_path: 'app/db', resource: null };
const nowhere = { secret_path: null, resource: 'secrets' };

const CASES: readonly Case[] = [
  {
    what: 'a read',
    method: 'GET',
    path: 'secrets/app/db',
    status: 200,
    code: null,
    row: { ...onPath, action: 'read' },
  },
  {
    what: 'a write',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => data,
    status: 200,
    code: null,
    row: { ...onPath, action: 'write' },
  },
  {
    what: 'a call about oneself',
    method: 'GET',
    path: 'auth/whoami',
    status: 200,
    code: null,
    row: { action: 'auth', secret_path: null, resource: 'auth/whoami' },
  },
  {
    what: 'a token without the scope',
    method: 'GET',
    path: 'secrets/app/db',
    asked: () => ({ token: house.token({ scope: 'secrets:write' }) }),
    status: 403,
    code: 'insufficient_scope',
    row: onPath,
  },
  { what: 'an illegal path', method: 'GET', path: 'secrets/App', status: 400, code: 'invalid_path', row: nowhere },
  {
    what: 'a query that is not known',
    method: 'GET',
    path: 'secrets/app/db?x=1',
    status: 422,
    code: 'validation_error',
    row: onPath,
  },
  {
    what: 'a body that is no JSON',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ raw: '{' }),
    status: 400,
    code: 'invalid_request',
    row: onPath,
  },
  {
    what: 'a body of another type',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ raw: 'x', headers: { 'content-type': 'text/plain' } }),
    status: 415,
    code: 'unsupported_media_type',
    row: onPath,
  },
  {
    what: 'a body that is too large',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ raw: ' '.repeat(1_100_000) }),
    status: 413,
    code: 'payload_too_large',
    row: onPath,
  },
  {
    what: 'a body with an unknown field',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ body: { data: {}, x: 1 } }),
    status: 422,
    code: 'validation_error',
    row: onPath,
  },
  {
    what: 'a path that no policy allows',
    method: 'GET',
    path: 'secrets/else/x',
    status: 403,
    code: 'access_denied',
    row: { secret_path: 'else/x', resource: null },
  },
  {
    what: 'a role that is not held',
    method: 'GET',
    path: 'audit/logs',
    status: 403,
    code: 'forbidden',
    row: { action: 'audit_read', resource: 'audit/logs' },
  },
  {
    what: 'a secret that is not there',
    method: 'GET',
    path: 'secrets/app/none',
    status: 404,
    code: 'secret_not_found',
    row: { secret_path: 'app/none' },
  },
  {
    what: 'a version that is not there',
    method: 'GET',
    path: 'secrets/app/db?version=99',
    status: 404,
    code: 'version_not_found',
    row: onPath,
  },
  {
    what: 'a version that is another one',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ body: { data: {}, options: { cas: 99 } } }),
    status: 409,
    code: 'version_conflict',
    row: onPath,
  },
  {
    what: 'headers that contradict each other',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ body: { data: {}, options: { cas: 3 } }, headers: { 'if-match': '"4"' } }),
    status: 422,
    code: 'validation_error',
    row: onPath,
  },
  {
    what: 'a text that cannot be stored',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ body: { data: {}, metadata: { custom: { a: 'x\0y' } } } }),
    status: 422,
    code: 'validation_error',
    row: onPath,
  },
  {
    what: 'a type that is none',
    method: 'PUT',
    path: 'secrets/app/db',
    asked: () => ({ body: { data: {}, secret_type: 'x' } }),
    status: 400,
    code: 'invalid_secret_type',
    row: onPath,
  },
];

for (const { what, method, path, asked = () => ({}), status, code, row: expected } of CASES) {
  test(`${what}: exactly one entry`, async () => {
    const id = requestId();
    const { headers = {}, ...rest } = asked() as Asked;
    const answer = await house.ask(method, `/v1/${path}`, { ...rest, headers: { ...headers, 'x-request-id': id } });
    assert.is(answer.status, status, answer.text);
    if (code !== null) assertError(answer.body, code);
    const [row, ...more] = await house.audited(id);
    assert.equal(more, [], 'one');
    assert.is(row?.success, code === null);
    assert.is(row?.error_code, code);
    assert.is(row?.tenant_id, house.tenantId);
    assert.is(row?.identity_id, 'user:alice@example.com');
    assert.is(row?.source_ip, '127.0.0.1');
    for (const [name, value] of Object.entries(expected)) assert.equal(row?.[name as keyof AuditRow], value, name);
  });
}

test('a 403 of policy or role shows the id of its entry, which says how it was decided', async () => {
  for (const [path, kind, permission] of [
    ['/v1/secrets/else/x', 'secret', 'read'],
    ['/v1/audit/logs', 'sys', 'read'],
  ] as const) {
    const id = requestId();
    const answer = await house.ask('GET', path, { headers: { 'x-request-id': id } });
    assert.is(answer.status, 403);
    const [row] = await house.audited(id);
    assert.is(answer.body.error.details.decision_id, row?.id);
    assert.match(row?.id ?? '', /^log_[0-9a-z]{26}$/);
    assert.is(row?.decision?.kind, kind);
    assert.is(row?.decision?.permission, permission);
    assert.is(row?.decision?.decided_by, null);
    assert.is(row?.decision?.reason, 'no_matching_rule');
    assert.is((row?.decision?.subject as { id: string } | undefined)?.id, 'usr_alice');
  }
});

test('a read and a write name the rule that allowed them, and the version', async () => {
  const id = requestId();
  const written = await house.ask('PUT', '/v1/secrets/app/ruled', { ...data, headers: { 'x-request-id': id } });
  const [row] = await house.audited(id);
  assert.is(row?.version, written.body.version);
  assert.is(row?.decision?.reason, 'allowed_by_rule');
  assert.is((row?.decision?.decided_by as { rule_index: number } | undefined)?.rule_index, 0);
});

test('a request id that was used before hides no entry', async () => {
  const id = requestId();
  for (let round = 0; round < 3; round++) {
    await house.ask('GET', '/v1/secrets/app/db', { headers: { 'x-request-id': id } });
  }
  const rows = await house.audited(id);
  assert.is(rows.length, 3);
  assert.is(new Set(rows.map((row) => row.id)).size, 3);
});

test('what has no identity and no guarded route leaves nothing', async () => {
  const id = requestId();
  const asked = { token: null, headers: { 'x-request-id': id } };
  for (const path of ['/v1/health', '/v1/nothing', '/v1/secret', '/v1/openapi.json'])
    await house.ask('GET', path, asked);
  await house.ask('DELETE', '/v1/health', asked);
  assert.equal(await house.audited(id), []);
});

test('failed authentications are sampled: a few a minute are kept, with the number of those that were not', async () => {
  const before = Date.now();
  const ids = Array.from({ length: 40 }, requestId);
  for (const [at, id] of ids.entries()) {
    const token = at % 2 === 0 ? null : 'nonsense';
    assert.is((await house.ask('GET', '/v1/secrets/app/db', { token, headers: { 'x-request-id': id } })).status, 401);
  }
  const rows = await house.sql<AuditRow>('SELECT * FROM audit_log WHERE request_id = ANY($1) ORDER BY "timestamp"', [
    ids,
  ]);
  // A minute may have begun in between.
  const minutes = Math.floor(Date.now() / 60_000) - Math.floor(before / 60_000) + 1;
  assert.ok(rows.length >= 1 && rows.length <= 10 * minutes, `${rows.length} rows`);
  for (const row of rows) {
    assert.is(row.action, 'auth_failed');
    assert.is(row.tenant_id, '_system');
    assert.is(row.identity_id, null);
    assert.is(row.success, false);
    assert.type(row.extra_data.suppressed, 'number');
  }
});

test('a value whose entry cannot be stored does not leave, and such a change does not stay', async () => {
  await house.ask('PUT', '/v1/secrets/app/kept', { body: { data: { word: 'before' } } });
  await house.sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`);
  await house.sql('CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()');
  try {
    const read = await house.ask('GET', '/v1/secrets/app/kept');
    assert.is(read.status, 503, read.text);
    assert.not.match(read.text, /before/);
    assert.ok(Number(read.headers.get('retry-after')) >= 1);
    const denied = await house.ask('GET', '/v1/secrets/else/x');
    assert.is(denied.status, 503, 'a denial that cannot be recorded is not told');
    const written = await house.ask('PUT', '/v1/secrets/app/kept', { body: { data: { word: 'after' } } });
    assert.is(written.status, 503, written.text);
  } finally {
    await house.sql('DROP TRIGGER refuse ON audit_log');
  }
  const read = await house.ask('GET', '/v1/secrets/app/kept');
  assert.is(read.body.version, 1);
  assert.equal(read.body.data, { word: 'before' });
});

test.run();
