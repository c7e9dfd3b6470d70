import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Answer, Asked } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse, table } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('a request with an Idempotency-Key', { timeoutMs: 30_000 });
let house: House;
let made = 0;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write', 'delete', 'admin'] }]);
});
test.after(() => house.stop());

const freshPath = () => `/v1/secrets/app/s${++made}`;
const put = (path: string, key: string, body: unknown, more: Asked = {}) =>
  house.ask('PUT', path, { body, ...more, headers: { 'idempotency-key': key, ...more.headers } });
const isReplay = (answer: Answer) => answer.headers.get('idempotent-replay');

async function versionsOf(path: string): Promise<number> {
  const [row] = await house.sql<{ count: string }>(
    `SELECT count(*) FROM secret_versions v JOIN secrets s ON s.tenant_id = v.tenant_id AND s.id = v.secret_id
     WHERE s.path = $1`,
    [path.replace('/v1/secrets/', '')],
  );
  return Number(row?.count);
}

async function recordsOf(key: string): Promise<number> {
  return (await house.sql('SELECT 1 FROM idempotency WHERE key = $1', [key])).length;
}

test('is done once, and its answer told again to the letter', async () => {
  const [path, key, id] = [freshPath(), randomUUID(), requestId()];
  const body = { data: { a: 1 }, metadata: { description: 'd', custom: { z: 1, a: [2] } } };
  const first = await put(path, key, body);
  assert.equal([first.status, isReplay(first)], [201, null], first.text);
  for (let times = 0; times < 3; times++) {
    const again = await put(path, key, body, times === 0 ? { headers: { 'x-request-id': id } } : {});
    assert.equal([again.status, isReplay(again)], [201, 'true'], again.text);
    assert.is(again.text, first.text);
    assert.is(again.headers.get('etag'), '"1"');
    assert.is.not(again.headers.get('x-request-id'), first.headers.get('x-request-id'));
  }
  assert.is(await versionsOf(path), 1);
  const [original] = await house.audited(first.headers.get('x-request-id')!);
  const [replay, ...others] = await house.audited(id);
  assert.equal(others, []);
  assert.equal([replay?.action, replay?.success, replay?.secret_path], ['write', true, original?.secret_path]);
  assert.equal(replay?.extra_data, { idempotent_replay: true, replay_of: original?.id });
});

/** One call of every change by POST or PUT, each with what has to be there before it. */
const CHANGES: Readonly<Record<string, () => Promise<readonly [path: string, body?: unknown]>>> = {
  'POST /v1/identity/tenants': async () => [
    '/v1/identity/tenants',
    { tenant_id: `tnt_new_${made++}`, partner_id: house.partnerId },
  ],
  'POST /v1/policies': async () => ['/v1/policies', somePolicy()],
  'PUT /v1/policies/{id}': async () => [`/v1/policies/${await aPolicy()}`, somePolicy()],
  'POST /v1/policies/{id}:rollback': async () => [`/v1/policies/${await aPolicy()}:rollback`, { version: 1 }],
  'POST /v1/policies/{id}/bindings': async () => [
    `/v1/policies/${await aPolicy()}/bindings`,
    { identity_type: 'user', identity_id: 'user:usr_bob' },
  ],
  'PUT /v1/secrets/{path}': async () => [freshPath(), { data: {} }],
  'POST /v1/secrets/{path}:rollback': async () => [`${await written()}:rollback`, { version: 1 }],
  'POST /v1/secrets/{path}:destroy': async () => [`${await written()}:destroy`, { versions: [1] }],
  'POST /v1/secrets/{path}:undelete': async () => {
    const path = await written();
    assert.is((await house.ask('DELETE', path)).status, 200);
    return [`${path}:undelete`];
  },
};

const RULES = [{ path_pattern: 'x/**', permissions: ['read'] }];
const somePolicy = () => ({ name: `twice-${made++}`, rules: RULES });
const aPolicy = () => house.allow(RULES);

async function written(): Promise<string> {
  const path = freshPath();
  for (const n of [1, 2]) await house.ask('PUT', path, { body: { data: { n } } });
  return path;
}

test('is done once, whatever it changes', async () => {
  const routes = table().filter(({ effect, method }) => effect === 'change' && (method === 'POST' || method === 'PUT'));
  assert.equal(
    routes.map(({ method, path }) => `${method} ${path}`).sort(),
    Object.keys(CHANGES).sort(),
    'a new change needs its call here',
  );
  for (const [name, prepare] of Object.entries(CHANGES)) {
    const [path, body] = await prepare();
    const token = path.startsWith('/v1/secrets') ? house.token() : house.adminToken();
    const asked = { token, ...(body === undefined ? {} : { body }), headers: { 'idempotency-key': randomUUID() } };
    const method = name.split(' ')[0]!;
    const [first, again] = [await house.ask(method, path, asked), await house.ask(method, path, asked)];
    assert.ok(first.status < 300 && isReplay(first) === null, `${name} ${first.text}`);
    assert.equal([again.status, again.text, isReplay(again)], [first.status, first.text, 'true'], name);
    assert.is(again.headers.get('etag'), first.headers.get('etag'), name);
  }
});

test('is not for PATCH and DELETE, which nobody remembers', async () => {
  const path = await written();
  const headers = { 'idempotency-key': randomUUID() };
  for (const [method, body] of [
    ['PATCH', { data: { n: 9 } }],
    ['DELETE', undefined],
  ] as const) {
    const answer = await house.ask(method, path, { headers, ...(body === undefined ? {} : { body }) });
    assert.is(answer.status, 400, answer.text);
    assertError(answer.body, 'invalid_request');
    assert.match(answer.body.error.message, method);
  }
  assert.is((await house.ask('GET', path)).body.version, 2, 'nothing was done');
});

test('means nothing new when only the spelling of the body is another', async () => {
  const member = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.jsonValue({ maxDepth: 2 }));
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 4 }), async (members) => {
      const [path, key] = [freshPath(), randomUUID()];
      const data = Object.fromEntries(members);
      const turned = Object.fromEntries(Object.entries(data).reverse());
      const first = await put(path, key, { data });
      fc.pre(first.status === 201);
      const raw = `{ "data" :\t${JSON.stringify(turned, null, 2)} }`;
      const again = await house.ask('PUT', path, { raw, headers: { 'idempotency-key': key } });
      assert.equal([again.status, isReplay(again)], [201, 'true'], raw);
      const other = await put(path, key, { data: { ...data, another: 1 } });
      assert.is(other.status, 409, other.text);
    }),
    { numRuns: 25 },
  );
});

test('is refused when the key has stood for another request', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  const body = { data: { a: 1 } };
  assert.is((await put(path, key, body)).status, 201);
  const others: readonly (readonly [string, Promise<Answer>])[] = [
    ['body', put(path, key, { data: { a: 2 } })],
    ['type of a value', put(path, key, { data: { a: '1' } })],
    ['path', put(freshPath(), key, body)],
    ['precondition', put(path, key, body, { headers: { 'if-match': '"1"' } })],
    ['precondition in the body', put(path, key, { ...body, options: { cas: 1 } })],
    ['refused by itself', put(path, key, { ...body, options: { cas: 77 } })],
    ['route', put(`/v1/t/${house.tenantId}${path.slice(3)}`, key, body)],
  ];
  for (const [what, asked] of others) {
    const answer = await asked;
    assert.is(answer.status, 409, `${what}: ${answer.text}`);
    assertError(answer.body, 'idempotency_conflict');
    assert.is(isReplay(answer), null);
    const [entry] = await house.audited(answer.headers.get('x-request-id')!);
    assert.equal([entry?.success, entry?.error_code], [false, 'idempotency_conflict']);
  }
  assert.is(await versionsOf(path), 1);
});

test('that comes many times at once is done once', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  const answers = await Promise.all(Array.from({ length: 30 }, () => put(path, key, { data: { n: 1 } })));
  for (const answer of answers) {
    if (answer.status === 201) continue;
    assert.is(answer.status, 409, answer.text);
    assertError(answer.body, 'idempotency_in_progress');
    assert.is(answer.headers.get('retry-after'), '1');
  }
  const done = answers.filter((answer) => answer.status === 201);
  assert.is(done.filter((answer) => isReplay(answer) === null).length, 1);
  assert.is(new Set(done.map(({ text }) => text)).size, 1);
  assert.is(await versionsOf(path), 1);
});

test('is told to come back while the first one runs, without waiting for it', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  await house.sql('BEGIN');
  await house.sql('LOCK TABLE secrets IN SHARE MODE');
  const first = put(path, key, { data: {} });
  for (let running = 0; running === 0; await sleep(20)) {
    running = (await house.sql(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'secrets'::regclass`)).length;
  }
  const started = performance.now();
  const second = await put(path, key, { data: {} });
  assert.ok(performance.now() - started < 2_000);
  assert.is(second.status, 409);
  assertError(second.body, 'idempotency_in_progress');
  assert.is(second.headers.get('retry-after'), '1');
  await house.sql('COMMIT');
  assert.is((await first).status, 201);
  const third = await put(path, key, { data: {} });
  assert.equal([third.status, isReplay(third)], [201, 'true']);
});

test('that was refused can be made good and sent again', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  const body = { data: { n: 2 }, options: { cas: 1 } };
  assert.is((await put(path, key, body)).status, 409, 'there is no version 1');
  assert.is(await recordsOf(key), 0);
  await house.ask('PUT', path, { body: { data: {} } });
  const done = await put(path, key, body);
  assert.equal([done.status, isReplay(done)], [200, null]);
  // The version is 2 by now: done again it would be refused.
  assert.equal([isReplay(await put(path, key, body)), await versionsOf(path)], ['true', 2]);
});

test('that could not be stored leaves nothing, and can be sent again', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  await house.sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.action = 'write' THEN RAISE 'not now'; END IF; RETURN NEW; END $$`);
  await house.sql('CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()');
  assert.is((await put(path, key, { data: {} })).status, 503);
  await house.sql('DROP TRIGGER refuse ON audit_log');
  assert.equal([await recordsOf(key), await versionsOf(path)], [0, 0]);
  assert.is((await put(path, key, { data: {} })).status, 201);
});

test('is judged anew each time: a right that is gone shows no answer', async () => {
  const [path, key, body] = ['/v1/secrets/gone/s', randomUUID(), { data: {} }];
  const token = house.token({ sub: 'usr_leaver' });
  const policy = await house.allow([{ path_pattern: 'gone/**', permissions: ['write'] }], 'user:usr_leaver');
  assert.is((await put(path, key, body, { token })).status, 201);
  assert.is(
    (await put(path, key, body, { token: house.token({ sub: 'usr_leaver', scope: 'secrets:read' }) })).status,
    403,
  );
  assert.is((await put(path, key, body, { token: null })).status, 401);
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policy]);
  await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  // At once, although this process may remember its policies for a second.
  const answer = await put(path, key, body, { token });
  assert.is(answer.status, 403, answer.text);
});

test('is not done again where it could not be done any more', async () => {
  const token = house.adminToken();
  const expires = new Date(Date.now() + 1_500).toISOString();
  const body = { identity_type: 'user', identity_id: 'user:usr_bob', expires_at: expires };
  const asked = { token, body, headers: { 'idempotency-key': randomUUID() } };
  const path = `/v1/policies/${await aPolicy()}/bindings`;
  const first = await house.ask('POST', path, asked);
  assert.is(first.status, 201, first.text);
  while (Date.now() <= Date.parse(expires)) await sleep(50);
  assert.is((await house.ask('POST', path, { token, body })).status, 422, 'the end is in the past by now');
  const again = await house.ask('POST', path, asked);
  assert.equal([again.status, again.text, isReplay(again)], [201, first.text, 'true']);
});

test('stands for itself: another caller and another tenant may use the same key', async () => {
  await house.allow([{ path_pattern: 'app/**', permissions: ['write'] }], 'user:usr_bob');
  const [path, key] = [freshPath(), randomUUID()];
  const body = { data: { n: 1 } };
  assert.is((await put(path, key, body)).status, 201);
  const other = await put(path, key, body, { token: house.token({ sub: 'usr_bob' }) });
  assert.equal([other.status, isReplay(other), other.body.version], [200, null, 2]);
  const elsewhere = `tnt_else_${made++}`;
  const foreign = house.token({ tenant_id: elsewhere });
  await house.ask('GET', '/v1/auth/whoami', { token: foreign });
  await house.allow([{ path_pattern: 'app/**', permissions: ['write'] }], 'user:usr_alice', elsewhere);
  const there = await put(path, key, body, { token: foreign });
  assert.equal([there.status, isReplay(there), there.body.version], [201, null, 1]);
});

test('is forgotten after a day', async () => {
  const [path, key] = [freshPath(), randomUUID()];
  await put(path, key, { data: {} });
  const [row] = await house.sql<{ seconds: string }>(
    'SELECT extract(epoch FROM expires_at - created_at) AS seconds FROM idempotency WHERE key = $1',
    [key],
  );
  assert.is(Number(row?.seconds), 24 * 3600);
  await house.sql("UPDATE idempotency SET expires_at = now() - interval '1 second' WHERE key = $1", [key]);
  const anew = await put(path, key, { data: { other: true } });
  assert.equal([anew.status, anew.body.version, isReplay(anew)], [200, 2, null]);
  assert.is(isReplay(await put(path, key, { data: { other: true } })), 'true');
});

test('needs a key of 1 to 255 visible ASCII characters, once', async () => {
  const authorization = `Authorization: Bearer ${house.token()}`;
  const send = (lines: readonly string[]) =>
    rawRequest(house.port, 'PUT', freshPath(), {
      headers: [authorization, ...lines],
      body: '{"data":{}}',
    });
  for (const good of ['a', '!', '~', 'k'.repeat(255), '"8e03978e-40d5-43dd-bc93-6894a57f9324"', '{}', "';--"]) {
    assert.is((await send([`Idempotency-Key: ${good}`])).status, 201, good);
  }
  for (const bad of ['', ' ', 'two words', 'k'.repeat(256), 'caf\u00e9', 'a\tb', 'a, b']) {
    const answer = await send([`Idempotency-Key: ${bad}`]);
    assert.is(answer.status, 400, JSON.stringify(bad));
    assertError(answer.body, 'invalid_request');
    assert.match(answer.body.error.message, 'Idempotency-Key');
  }
  assert.is((await send(['Idempotency-Key: a', 'Idempotency-Key: a'])).status, 400, 'twice');
});

test('is taken for what it is on a read: nothing is done twice there', async () => {
  const path = freshPath();
  await house.ask('PUT', path, { body: { data: { a: 1 } } });
  const headers = { 'idempotency-key': randomUUID() };
  for (let times = 0; times < 2; times++) {
    const answer = await house.ask('GET', path, { headers });
    assert.equal([answer.status, answer.body.data, isReplay(answer)], [200, { a: 1 }, null]);
  }
});

test.run();
