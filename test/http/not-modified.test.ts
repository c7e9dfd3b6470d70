import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { names } from '../../src/http/not-modified.ts';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('a read with If-None-Match');
let house: House;
const PATH = '/v1/secrets/app/known';

test.before(async () => {
  house = await startHouse({ RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SECRETS_READ: '6/min:100' });
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  for (const n of [1, 2, 3]) await house.ask('PUT', PATH, { body: { data: { n } } });
});
test.after(() => house.stop());

const read = (known: string, path = PATH, more: Parameters<House['ask']>[2] = {}) =>
  house.ask('GET', path, { ...more, headers: { 'if-none-match': known, ...more.headers } });

test('is answered 304, without the value, when the caller has that version', async () => {
  const authorization = `Authorization: Bearer ${house.token()}`;
  const answer = await rawRequest(house.port, 'GET', PATH, { headers: [authorization, 'If-None-Match: "3"'] });
  assert.equal([answer.status, answer.text], [304, '']);
  assert.equal(answer.headers.get('etag'), ['"3"']);
  for (const name of ['content-type', 'content-length', 'transfer-encoding'])
    assert.not(answer.headers.has(name), name);
  for (const name of ['x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']) {
    assert.ok(answer.headers.has(name), name);
  }
  assert.equal(answer.headers.get('cache-control'), ['no-store']);
});

test('compares as the standard says: lists, weak tags and the star', async () => {
  for (const known of ['"3"', 'W/"3"', '"1", "3"', '"1","2" , W/"3"', ', ,"3",', '*', ' * ', '"a,b","3"', '"",  "3"']) {
    assert.is((await read(known)).status, 304, known);
  }
  for (const other of [
    '"2"',
    '3',
    '"3',
    '3"',
    'w/"3"',
    '"33"',
    '"1", "2"',
    '"**"',
    '"1" "3"',
    '"a, "3", b"',
    '*, "1"',
    '',
  ]) {
    const answer = await read(other);
    assert.equal([answer.status, answer.body?.data], [200, { n: 3 }], other);
  }
});

test('names of a list exactly what stands in it', () => {
  const tag = fc.string({ unit: fc.constantFrom(...'13ab,W/*!#~'), maxLength: 4 }).map((text) => `"${text}"`);
  const weak = fc
    .tuple(fc.boolean(), tag)
    .map(([isWeak, text]) => ({ tag: text, written: isWeak ? `W/${text}` : text }));
  const between = fc.constantFrom(',', ', ', ' ,\t', ',,', ', ,');
  fc.assert(
    fc.property(fc.array(fc.tuple(weak, between), { maxLength: 6 }), tag, (list, wanted) => {
      const header = list.map(([{ written }, comma]) => written + comma).join('');
      assert.is(
        names(header, wanted),
        list.some(([each]) => each.tag === wanted),
        header,
      );
    }),
  );
});

test('takes no longer for a list that looks like work', () => {
  const started = performance.now();
  for (const header of [
    '"'.repeat(16_000),
    `${' ,'.repeat(8_000)}x`,
    `${'"a",'.repeat(4_000)}"`,
    '\t'.repeat(16_000),
  ]) {
    assert.is(names(header, '"1"'), false);
  }
  assert.ok(performance.now() - started < 200);
});

test('sees the version that was asked for', async () => {
  assert.is((await read('"2"', `${PATH}?version=2`)).status, 304);
  assert.is((await read('"3"', `${PATH}?version=2`)).status, 200);
});

test('is judged, limited and recorded like any other read', async () => {
  const id = requestId();
  const first = await read('"3"', PATH, { headers: { 'x-request-id': id } });
  const [entry, ...others] = await house.audited(id);
  assert.equal(others, []);
  assert.equal([entry?.action, entry?.success, entry?.secret_path, entry?.version], ['read', true, 'app/known', 3]);
  assert.equal(entry?.extra_data, { not_modified: true }, 'the value was not given out');
  const second = await read('"3"');
  const remaining = [first, second].map((answer) => Number(answer.headers.get('x-ratelimit-remaining')));
  assert.ok(remaining[1]! < remaining[0]!, `${remaining}`);

  const stranger = house.token({ sub: 'usr_nobody' });
  const denied = await read('"3"', PATH, { token: stranger });
  assert.is(denied.status, 403);
  assertError(denied.body, 'access_denied');
  assert.is((await read('*', '/v1/secrets/app/none')).status, 404);
  assert.is((await read('"3"', PATH, { token: null })).status, 401);
});

test('is answered in full once the secret has changed', async () => {
  await house.ask('PUT', '/v1/secrets/app/moving', { body: { data: { n: 1 } } });
  assert.is((await read('"1"', '/v1/secrets/app/moving')).status, 304);
  await house.ask('PUT', '/v1/secrets/app/moving', { body: { data: { n: 2 } } });
  const answer = await read('"1"', '/v1/secrets/app/moving');
  assert.equal([answer.status, answer.body.data, answer.headers.get('etag')], [200, { n: 2 }, '"2"']);
});

test('works for policies, and means nothing where there is no ETag', async () => {
  const token = house.adminToken();
  const policy = await house.allow([{ path_pattern: 'x/**', permissions: ['read'] }]);
  const etag = (await house.ask('GET', `/v1/policies/${policy}`, { token })).headers.get('etag')!;
  assert.is((await read(etag, `/v1/policies/${policy}`, { token })).status, 304);
  assert.is((await read('*', '/v1/auth/whoami')).status, 200);
  assert.is((await read('*', '/v1/health')).status, 200);
});

test.run();
