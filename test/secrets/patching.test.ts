import * as assert from 'uvu/assert';
import { type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('changing members of a value');
let house: House;
let calls: ReturnType<typeof callsOf>;

test.before(async () => {
  house = await startHouse({ MAX_BODY: '64KiB' });
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
});
test.after(() => house.stop());

test('makes a new version in which only they changed', async () => {
  await calls.put('app/db', { user: 'u', password: 'old', hosts: { a: 1, b: 2 }, legacy: true });
  const headers = { 'x-request-id': requestId() };
  const answer = await calls.patch('app/db', { password: 'new', hosts: { b: null, c: 3 }, legacy: null }, undefined, {
    headers,
  });
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.headers.get('etag'), '"2"');
  assert.is(answer.body.version, 2);
  assert.is(answer.body.created, false);
  assert.not('data' in answer.body);
  assert.equal((await calls.get('app/db')).body.data, { user: 'u', password: 'new', hosts: { a: 1, c: 3 } });
  assert.is((await calls.get('app/db?version=1')).body.data.password, 'old');
  const [row] = await house.audited(headers['x-request-id']);
  assert.is(row?.action, 'write');
  assert.is(row?.version, 2);
  assert.equal(row?.extra_data, { merged: true });
});

test('metadata, type and options go with it as with a write', async () => {
  await calls.put('app/more', { a: 1 });
  const answer = await calls.ask('PATCH', 'app/more', {
    data: {},
    secret_type: 'json',
    metadata: { owner: 'team' },
    options: { max_versions: 3, cas: 1 },
  });
  assert.is(answer.body.secret_type, 'json', answer.text);
  assert.is(answer.body.metadata.owner, 'team');
  assert.is((await calls.metadata('app/more')).body.options.max_versions, 3);
});

test('needs to write, and neither to read nor to know what is there', async () => {
  await calls.put('app/blind', { a: 1, b: 2 });
  await house.allow([{ path_pattern: 'app/**', permissions: ['write'] }], 'user:usr_blind');
  const blind = { token: house.token({ sub: 'usr_blind', scope: 'secrets:write' }) };
  const answer = await calls.patch('app/blind', { a: 3 }, undefined, blind);
  assert.is(answer.status, 200, answer.text);
  assert.not.match(answer.text, /"b"/);
  assert.equal((await calls.get('app/blind')).body.data, { a: 3, b: 2 });
  const reader = { token: house.token({ scope: 'secrets:read secrets:delete secrets:list' }) };
  assertRefused(await calls.patch('app/blind', { a: 4 }, undefined, reader), 403, 'insufficient_scope');
});

test('expects a version where one is given', async () => {
  await calls.put('app/cas', { a: 1 });
  await calls.put('app/cas', { a: 2 });
  for (const [options, headers] of [
    [{ cas: 1 }, {}],
    [{ cas: 0 }, {}],
    [undefined, { 'if-match': '"3"' }],
    [undefined, { 'if-none-match': '*' }],
  ] as const) {
    const answer = await calls.patch('app/cas', { b: 1 }, options, { headers });
    assertRefused(answer, 409, 'version_conflict');
    assert.is(answer.body.error.details.current_version, 2);
  }
  assertRefused(
    await calls.patch('app/cas', {}, { cas: 2 }, { headers: { 'if-match': '"1"' } }),
    422,
    'validation_error',
  );
  assert.is((await calls.patch('app/cas', { b: 1 }, { cas: 2 })).body.version, 3);
});

test('of two with the same expectation exactly one succeeds', async () => {
  await calls.put('app/raced', { n: 0 });
  for (let version = 1; version <= 5; version++) {
    const answers = await Promise.all(
      [1, 2].map((n) => calls.patch('app/raced', { [`m${version}`]: n }, { cas: version })),
    );
    assert.equal(answers.map(({ status }) => status).sort(), [200, 409]);
  }
});

test('twenty at once: every one is a version, and no member is lost', async () => {
  await calls.put('app/crowded', {}, { max_versions: 0 });
  const names = Array.from({ length: 20 }, (_, n) => `m${n}`);
  const answers = await Promise.all(names.map((name, n) => calls.patch('app/crowded', { [name]: n })));
  assert.equal(
    answers.map(({ body }) => body.version).sort((a, b) => a - b),
    names.map((_, n) => n + 2),
  );
  assert.equal((await calls.get('app/crowded')).body.data, Object.fromEntries(names.map((name, n) => [name, n])));
});

test('nothing to change: 404; a value that would grow too large: 413', async () => {
  assertRefused(await calls.patch('app/nothing', { a: 1 }), 404, 'secret_not_found');
  await calls.put('app/destroyed', { a: 1 });
  await calls.destroy('app/destroyed', [1]);
  assertRefused(await calls.patch('app/destroyed', { a: 1 }), 404, 'version_not_found');
  await calls.put('app/grown', { a: 'x'.repeat(40_000) });
  const answer = await calls.patch('app/grown', { b: 'x'.repeat(40_000) });
  assertRefused(answer, 413, 'payload_too_large');
  assert.is((await calls.get('app/grown')).body.version, 1);
});

test('takes an object and no unknown member', async () => {
  await calls.put('app/form', { a: 1 });
  for (const data of [undefined, null, [], [1], 'text', 1, true]) {
    assertRefused(await calls.ask('PATCH', 'app/form', { data }), 422, 'validation_error');
  }
  assertRefused(await calls.ask('PATCH', 'app/form', { a: 2 }), 422, 'validation_error');
  assertRefused(await calls.ask('PATCH', 'app/form', { data: {}, generate: true }), 422, 'validation_error');
  assertRefused(await calls.ask('PATCH', 'app/form', { data: {}, secret_type: 'x' }), 400, 'invalid_secret_type');
  const headers = { 'content-type': 'application/merge-patch+json' };
  assertRefused(await calls.ask('PATCH', 'app/form', { data: {} }, { headers }), 415, 'unsupported_media_type');
  assertRefused(
    await calls.ask('PATCH', 'app/form', undefined, { raw: '{"data":{"a":1,"a":2}}' }),
    400,
    'invalid_request',
  );
  assert.is((await calls.get('app/form')).body.version, 1);
});

test.run();
