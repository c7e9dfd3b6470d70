import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { type House, requestId, startHouse } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('headers of an answer');
let house: House;
let authorization: string;

test.before(async () => {
  house = await startHouse({
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_SECRETS_WRITE: 'off',
    RATE_LIMIT_AUTH: '60/min:50',
  });
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  authorization = `Authorization: Bearer ${house.token()}`;
});
test.after(() => house.stop());

/** One answer of each kind, on the way through the pipeline. */
const KINDS: readonly (readonly [number, string, string, readonly string[]])[] = [
  [200, 'GET', '/v1/health', []],
  [200, 'GET', '/v1/openapi.json', []],
  [400, 'GET', 'http://vault/', []],
  [401, 'GET', '/v1/secrets/app/x', []],
  [401, 'GET', '/v1/secrets/app/x', ['Authorization: Basic YTpi']],
  [403, 'GET', '/v1/secrets/else/x', ['+']],
  [404, 'GET', '/v1/nothing', []],
  [404, 'GET', '/v1/secrets/app/missing', ['+']],
  [405, 'DELETE', '/v1/health', []],
  [415, 'PUT', '/v1/secrets/app/x', ['+', 'Content-Length: 0']],
  [200, 'GET', '/v1/auth/whoami', ['+']],
];

test('every answer says it is JSON, not to be kept, not to be guessed at, and nothing of who made it', async () => {
  for (const [status, method, target, given] of KINDS) {
    const headers = given.map((line) => (line === '+' ? authorization : line));
    const answer = await rawRequest(house.port, method, target, { headers });
    const what = `${method} ${target} ${answer.text}`;
    assert.is(answer.status, status, what);
    assert.equal(answer.headers.get('cache-control'), ['no-store'], what);
    assert.equal(answer.headers.get('content-type'), ['application/json; charset=utf-8'], what);
    assert.equal(answer.headers.get('x-content-type-options'), ['nosniff'], what);
    assert.match(answer.headers.get('x-request-id')?.[0] ?? '', /^req_[0-9a-z]{26}$/, what);
    for (const name of ['server', 'x-powered-by', 'via', 'access-control-allow-origin', 'set-cookie']) {
      assert.not(answer.headers.has(name), `${what}: ${name}`);
    }
    assert.is(answer.headers.has('www-authenticate'), status === 401, what);
    if (answer.status >= 400) assert.is(answer.body.error.request_id, answer.headers.get('x-request-id')?.[0], what);
  }
});

test('a request id of the right form is kept, any other is replaced', async () => {
  const kept = ['abcdefgh', 'A-Z_0-9-x', 'a'.repeat(64), requestId()];
  for (const id of kept) {
    const answer = await rawRequest(house.port, 'GET', '/v1/nothing', { headers: [`X-Request-ID: ${id}`] });
    assert.equal(answer.headers.get('x-request-id'), [id]);
    assert.is(answer.body.error.request_id, id);
  }
  const replaced = [
    'short',
    'a'.repeat(65),
    'with space in',
    'semi;colon',
    'new\\nline-',
    '<script>alert',
    'caf\u00e9caf\u00e9',
    '',
  ];
  for (const id of replaced) {
    const answer = await rawRequest(house.port, 'GET', '/v1/nothing', { headers: [`X-Request-ID: ${id}`] });
    assert.match(answer.headers.get('x-request-id')?.[0] ?? '', /^req_/, id);
  }
  const twice = await rawRequest(house.port, 'GET', '/v1/nothing', {
    headers: ['X-Request-ID: abcdefgh', 'X-Request-ID: ijklmnop'],
  });
  assert.match(twice.headers.get('x-request-id')?.[0] ?? '', /^req_/, 'two are none');
});

test('the limits are told from stage 5 on, also on errors, and not where there is none', async () => {
  const names = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'] as const;
  const told = async (method: string, path: string, asked: Parameters<House['ask']>[2] = {}) => {
    const answer = await house.ask(method, path, asked);
    return names.map((name) => answer.headers.get(name)).filter((value) => value !== null);
  };
  assert.is((await told('GET', '/v1/secrets/app/missing')).length, 3, '404');
  assert.is((await told('GET', '/v1/secrets/else/x')).length, 3, '403');
  assert.is((await told('GET', '/v1/secrets/App')).length, 3, '400');
  assert.is(
    (await told('GET', '/v1/secrets/app/x', { token: house.token({ scope: 'secrets:write' }) })).length,
    3,
    'scope',
  );
  assert.is((await told('GET', '/v1/secrets/app/x', { token: null })).length, 0, '401');
  assert.is((await told('GET', '/v1/t/elsewhere/secrets/app/x')).length, 0, 'tenant');
  assert.is((await told('PUT', '/v1/secrets/app/x', { body: { data: {} } })).length, 0, 'the category is off');
  const first = await house.ask('GET', '/v1/auth/whoami');
  const second = await house.ask('GET', '/v1/auth/whoami');
  assert.is(first.headers.get('x-ratelimit-limit'), '50');
  assert.ok(Number(second.headers.get('x-ratelimit-remaining')) < Number(first.headers.get('x-ratelimit-remaining')));
  const reset = Number(second.headers.get('x-ratelimit-reset'));
  assert.ok(reset >= Math.floor(Date.now() / 1000) && reset < Date.now() / 1000 + 120, `${reset}`);
});

test('the version is the ETag', async () => {
  const written = await house.ask('PUT', '/v1/secrets/app/tagged', { body: { data: {} } });
  assert.is(written.headers.get('etag'), '"1"');
  assert.is((await house.ask('GET', '/v1/secrets/app/tagged')).headers.get('etag'), '"1"');
});

test.run();
