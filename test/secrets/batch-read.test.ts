import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import type { Answer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('a batch of reads', { timeoutMs: 30_000 });
let house: House;

const app = (n: number) => `app/s${n}`;
const many = (count: number, at: (n: number) => string = app) => Array.from({ length: count }, (_, n) => at(n));

test.before(async () => {
  house = await startHouse();
  await house.allow([
    { path_pattern: '**', permissions: ['read', 'write', 'delete', 'list'] },
    { path_pattern: 'closed/**', permissions: ['read'], effect: 'deny' },
  ]);
  await Promise.all(
    [...many(100), 'closed/one', 'app/gone', 'app/over', '__proto__', 'constructor'].map((path) => put(path)),
  );
  await put('app/s1', 1, { secret_type: 'api_key', metadata: { owner: 'ops', tags: ['a'] } });
  const gone = await house.ask('DELETE', '/v1/secrets/app/gone');
  assert.is(gone.status, 200, gone.text);
  await house.sql(`UPDATE secrets SET expires_at = now() - interval '1 hour' WHERE path = 'app/over'`);
});
test.after(() => house.stop());

async function put(path: string, n: unknown = 0, more: object = {}): Promise<void> {
  const written = await house.ask('PUT', `/v1/secrets/${path}`, { body: { data: { path, n }, ...more } });
  assert.ok([200, 201].includes(written.status), written.text);
}

function batch(paths: readonly unknown[], options?: object, id = requestId()): Promise<Answer> {
  return house.ask('POST', '/v1/secrets/batch', {
    body: { paths, ...(options === undefined ? {} : { options }) },
    headers: { 'x-request-id': id },
  });
}

test('gives the value, version and type of each path', async () => {
  const answer = await batch([app(0), app(1)]);
  assert.is(answer.status, 200, answer.text);
  assert.equal(answer.body, {
    secrets: {
      'app/s0': { data: { path: app(0), n: 0 }, version: 1, secret_type: 'kv' },
      'app/s1': { data: { path: app(1), n: 1 }, version: 2, secret_type: 'api_key' },
    },
    errors: {},
  });
});

test('shows with include_metadata what a single read shows', async () => {
  const { body } = await batch([app(1)], { include_metadata: true });
  const single = await house.ask('GET', '/v1/secrets/app/s1');
  const { path: _, last_accessed_at: __, ...expected } = single.body;
  const { last_accessed_at: ___, ...shown } = body.secrets['app/s1'];
  assert.equal(shown, expected);
});

test('tells of each path what a request for it alone would be told', async () => {
  const paths = ['app/none', 'closed/one', 'closed/none', 'app/gone', 'app/over', app(0)];
  const { status, body } = await batch(paths);
  assert.is(status, 200);
  assert.equal(Object.keys(body.secrets), [app(0)]);
  assert.is(Object.keys(body.errors).length, 5);
  for (const path of paths.slice(0, -1)) {
    const alone = await house.ask('GET', `/v1/secrets/${path}`);
    const { request_id: _, ...error } = alone.body.error;
    const without = (each: typeof error) => ({ ...each, details: { ...each.details, decision_id: undefined } });
    assert.equal(without(body.errors[path]), without(error), path);
  }
  const old = await batch([app(0), app(1)], { version: 2 });
  assert.equal(Object.keys(old.body.secrets), [app(1)]);
  assert.is(old.body.errors[app(0)].code, 'version_not_found');
});

test('gives 99 of 100 where one is forbidden, and nothing with fail_fast', async () => {
  const paths = [...many(60), 'closed/one', ...many(99).slice(60)];
  const patient = await batch(paths);
  assert.is(Object.keys(patient.body.secrets).length, 99);
  assert.equal(Object.keys(patient.body.errors), ['closed/one']);
  const strict = await batch(paths, { fail_fast: true });
  assert.is(strict.status, 403);
  assertError(strict.body, 'access_denied');
  assert.not.match(strict.text, /"data"|"n":/);
});

test('with fail_fast speaks of the first path that fails in the order asked', async () => {
  const missingFirst = await batch([app(0), 'app/none', 'closed/one'], { fail_fast: true });
  assertError(missingFirst.body, 'secret_not_found');
  const closedFirst = await batch([app(0), 'closed/one', 'app/none'], { fail_fast: true });
  assertError(closedFirst.body, 'access_denied');
  const none = await batch([app(0), app(2)], { fail_fast: true });
  assert.is(none.status, 200);
  assert.is(Object.keys(none.body.secrets).length, 2);
});

test('leaves one audit entry a path under the one request id, and a refusal names its own', async () => {
  const id = requestId();
  const { body } = await batch([app(1), 'closed/one', 'app/none'], {}, id);
  const rows = await house.audited(id);
  const row = (path: string) => rows.find(({ secret_path }) => secret_path === path)!;
  assert.is(rows.length, 3);
  for (const each of rows) assert.equal([each.action, each.identity_id], ['batch_read', 'user:alice@example.com']);
  assert.equal([row(app(1)).success, row(app(1)).version], [true, 2]);
  assert.is(row(app(1)).decision?.reason, 'allowed_by_rule');
  assert.equal([row('closed/one').success, row('closed/one').error_code], [false, 'access_denied']);
  assert.is(row('closed/one').decision?.reason, 'denied_by_rule');
  assert.is(body.errors['closed/one'].details.decision_id, row('closed/one').id);
  assert.equal([row('app/none').success, row('app/none').error_code], [false, 'secret_not_found']);
});

test('refused as a whole, leaves an entry of each path that was asked for, and none says success', async () => {
  const id = requestId();
  const refused = await batch([app(1), 'closed/one', 'app/none'], { fail_fast: true }, id);
  const rows = await house.audited(id);
  assert.equal(
    rows.map(({ secret_path, success, error_code, extra_data }) => [secret_path, success, error_code, extra_data]),
    [
      [app(1), false, 'access_denied', { whole_batch_refused: 'access_denied' }],
      ['closed/one', false, 'access_denied', { whole_batch_refused: 'access_denied' }],
      ['app/none', false, 'secret_not_found', { whole_batch_refused: 'access_denied' }],
    ],
  );
  assert.is(refused.body.error.details.decision_id, rows[1]?.id);
});

test('holds paths whose names mean something to JavaScript', async () => {
  const answer = await batch(['__proto__', 'constructor', 'app/s0/__proto__', 'valueof']);
  assert.is(answer.status, 200, answer.text);
  const entries = Object.fromEntries(Object.entries(JSON.parse(answer.text).secrets));
  assert.equal(Object.keys(entries).sort(), ['__proto__', 'constructor']);
  assert.match(answer.text, '"__proto__":{"data":{"path":"__proto__"');
  assert.equal(Object.keys(answer.body.errors).sort(), ['app/s0/__proto__', 'valueof']);
});

test('takes 1 to 100 paths, each once', async () => {
  assert.is((await batch(many(100))).status, 200);
  const bad: [unknown, string][] = [
    [many(101), 'paths'],
    [[app(0), app(1), app(0)], 'paths'],
    [[], 'paths'],
    ['app/s0', 'paths'],
    [[1], 'paths.0'],
    [[null], 'paths.0'],
  ];
  for (const [paths, field] of bad) {
    const { status, body } = await house.ask('POST', '/v1/secrets/batch', { body: { paths } });
    assert.is(status, 422, JSON.stringify(paths).slice(0, 60));
    assertError(body, 'validation_error');
    assert.ok(field in body.error.details.fields, JSON.stringify(body.error));
  }
  assert.is((await batch(Array.from({ length: 100_000 }, (_, n) => `a${n}`))).status, 422);
});

test('takes no member that it does not know, and none of another type', async () => {
  const bodies: [object, string][] = [
    [{}, 'paths'],
    [{ paths: [app(0)], path: 'x' }, 'path'],
    [{ paths: [app(0)], options: { failfast: true } }, 'options.failfast'],
    [{ paths: [app(0)], options: { fail_fast: 'true' } }, 'options.fail_fast'],
    [{ paths: [app(0)], options: { version: 0 } }, 'options.version'],
    [{ paths: [app(0)], options: { version: 1.5 } }, 'options.version'],
    [{ paths: [app(0)], options: { version: 2 ** 31 } }, 'options.version'],
    [{ paths: [app(0)], options: null }, 'options'],
  ];
  for (const [body, field] of bodies) {
    const answer = await house.ask('POST', '/v1/secrets/batch', { body });
    assert.is(answer.status, 422, answer.text);
    assert.ok(field in answer.body.error.details.fields, answer.text);
  }
});

test('refuses an illegal path as a whole, says which one, and does not repeat it', async () => {
  for (const path of [
    '',
    '/',
    'App',
    'a//b',
    '/a',
    'a/',
    '..',
    'a/../b',
    'a.b',
    'a b',
    'a%2fb',
    'a\0',
    'é',
    'a/*',
    'a:b',
    'x'.repeat(513),
  ]) {
    const { status, body, text } = await batch([app(0), path]);
    assert.is(status, 400, path);
    assertError(body, 'invalid_path');
    assert.is(body.error.details.index, 1);
    assert.match(body.error.message, /^paths\[1\]: /);
    assert.not.match(text, /"data"/);
  }
});

test('a permission taken away by another process counts at once, for its path alone', async () => {
  const policyId = await house.allow([{ path_pattern: 'app/s7', permissions: ['read'], effect: 'deny' }]);
  assert.equal(Object.keys((await batch([app(6), app(7)])).body.errors), [app(7)]);
  const change = async (text: string) => {
    await house.sql(text, [policyId]);
    await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  };
  await change('UPDATE policies SET is_active = false WHERE id = $1');
  await batch([app(6)]);
  assert.equal((await batch([app(6), app(7)])).body.errors, {});
  await change('UPDATE policies SET is_active = true WHERE id = $1');
  const id = requestId();
  const answer = await batch([app(6), app(7)], {}, id);
  assert.equal(Object.keys(answer.body.secrets), [app(6)]);
  assert.is(answer.body.errors[app(7)].code, 'access_denied');
  const rows = await house.audited(id);
  const epochs = new Set(rows.map(({ decision }) => decision?.policy_epoch));
  assert.is(epochs.size, 1, 'both judged by the newer policies');
  await change('UPDATE policies SET is_active = false WHERE id = $1');
});

test('needs the scope, whatever the policies say', async () => {
  const token = house.token({ scope: 'secrets:list' });
  const answer = await house.ask('POST', '/v1/secrets/batch', { token, body: { paths: [app(0)] } });
  assertError(answer.body, 'insufficient_scope');
});

test('shows nothing to somebody without a policy, and does not say what is there', async () => {
  const token = house.token({ sub: 'usr_stranger' });
  const { status, body } = await house.ask('POST', '/v1/secrets/batch', {
    token,
    body: { paths: [app(0), 'app/none'] },
  });
  assert.is(status, 200);
  assert.equal(body.secrets, {});
  const [there, absent] = [body.errors[app(0)], body.errors['app/none']];
  assert.is(there.code, 'access_denied');
  assert.equal({ ...there, details: null }, { ...absent, details: null });
});

test('asks for fewer paths where the values are too large together, and gives none', async () => {
  const large = 'x'.repeat(1_000_000);
  const paths = many(17, (n) => `large/s${n}`);
  for (const path of paths) await put(path, large);
  const id = requestId();
  const refused = await batch(paths, {}, id);
  assert.is(refused.status, 413);
  assertError(refused.body, 'payload_too_large');
  assert.match(refused.body.error.message, /fewer than 17 paths/);
  assert.is((await house.audited(id)).filter(({ success }) => !success).length, 17);
  const half = await batch(paths.slice(0, 8));
  assert.is(half.status, 200);
  assert.is(half.body.secrets['large/s7'].data.n, large);
});

test.run();
