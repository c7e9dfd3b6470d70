/**
 * One name, one spelling (OpenBao CVE-2026-3605, Vault 2.0 on double slashes): what stands in the request target is
 * what router, policy, audit and SQL see, or the request is refused. Over raw sockets: a client library would tidy up.
 */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('paths of secrets', { timeoutMs: 60_000 });
let house: House;
let authorization: string;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: '**', permissions: ['read', 'write'] }]);
  authorization = `Authorization: Bearer ${house.token()}`;
});
test.after(() => house.stop());

const BODY = JSON.stringify({ data: { a: 1 } });

function put(target: string, id = requestId()) {
  return rawRequest(house.port, 'PUT', target, { headers: [authorization, `X-Request-ID: ${id}`], body: BODY });
}

const storedPaths = async () => (await house.sql<{ path: string }>('SELECT path FROM secrets')).map(({ path }) => path);

const REFUSED: readonly (readonly [string, string])[] = [
  ['a dot segment', '../x'],
  ['a dot segment inside', 'app/../x'],
  ['a single dot', 'app/./x'],
  ['an encoded dot segment', 'app/%2e%2e/x'],
  ['an encoded dot segment in upper case', 'app/%2E%2E/x'],
  ['a doubly encoded dot', 'app/%252e%252e/x'],
  ['an encoded slash', 'app%2fx'],
  ['an encoded letter', 'app/%61'],
  ['a backslash', 'app\\x'],
  ['an encoded backslash', 'app%5cx'],
  ['a path parameter', 'app;v=1/x'],
  ['a double slash', 'app//x'],
  ['a leading slash', '/app/x'],
  ['a trailing slash', 'app/x/'],
  ['upper case', 'App/x'],
  ['an encoded NUL', 'app/x%00'],
  ['a dot', 'app/x.y'],
  ['a fragment', 'app/x#y'],
  ['a plus', 'app/x+y'],
  ['a tilde', 'app/~x'],
  ['an encoded space', 'app/%20x'],
  ['malformed percent-encoding', 'app/%zz'],
  ['half of percent-encoding', 'app/%2'],
  ['an encoded letter of another script', 'app/%d0%b0'],
  ['an overlong encoding of a slash', 'app%c0%afx'],
  ['a colon in a segment that is not the last', 'a:b/c'],
  ['eleven segments', Array(11).fill('a').join('/')],
  ['513 characters', 'a'.repeat(513)],
  ['nothing', ''],
];

for (const [what, path] of REFUSED) {
  test(`${what} is refused as invalid_path, and nothing is stored`, async () => {
    const before = await storedPaths();
    const id = requestId();
    const written = await put(`/v1/secrets/${path}`, id);
    assert.is(written.status, 400, written.text);
    assertError(written.body, 'invalid_path');
    const read = await rawRequest(house.port, 'GET', `/v1/secrets/${path}`, { headers: [authorization] });
    assert.is(read.status, 400, read.text);
    assert.equal(await storedPaths(), before);
    const [row, ...more] = await house.audited(id);
    assert.equal(more, []);
    assert.is(row?.error_code, 'invalid_path');
    assert.is(row?.secret_path, null, 'what is no path is not recorded as one');
  });
}

test('ten segments and 512 characters are the most that is taken', async () => {
  const ten = Array(10).fill('a').join('/');
  const long = `${'a'.repeat(255)}/${'b'.repeat(256)}`;
  assert.is(long.length, 512);
  for (const path of [ten, long]) {
    assert.is((await put(`/v1/secrets/${path}`)).status, 201, path);
    assert.ok((await storedPaths()).includes(path));
  }
});

test('a NUL, a space, a control character or UTF-8 in the raw never gets as far as a route', async () => {
  for (const character of ['\0', '\u00c3\u00a4', '\x01', '\x7f', ' ', '\t']) {
    const answer = await put(`/v1/secrets/app/x${character}y`);
    assert.is(answer.status, 400, JSON.stringify(character));
    assert.ok(['invalid_request', 'invalid_path'].includes(answer.body.error.code), answer.text);
  }
  assert.equal(
    (await storedPaths()).filter((path) => path.startsWith('app/x')),
    [],
  );
});

test('segments may be named like the inner parts of JavaScript', async () => {
  for (const path of ['__proto__', 'constructor', '__proto__/constructor', 'app/toString'.toLowerCase(), 'hasown']) {
    assert.is((await put(`/v1/secrets/${path}`)).status, 201, path);
    const read = await house.ask('GET', `/v1/secrets/${path}`);
    assert.is(read.status, 200);
    assert.is(read.body.path, path);
  }
  assert.is((await house.ask('GET', '/v1/secrets/prototype')).status, 404);
});

test('an action that does not exist is route_not_found, an action without a name too', async () => {
  assert.is((await put('/v1/secrets/action/target')).status, 201);
  const spellings = [':nope', ':', '::', ':metadata:', ':%6detadata', ':META', ':__proto__', ':constructor'];
  for (const spelling of spellings) {
    for (const method of ['GET', 'PUT']) {
      const answer = await rawRequest(house.port, method, `/v1/secrets/action/target${spelling}`, {
        headers: [authorization],
        ...(method === 'PUT' ? { body: BODY } : {}),
      });
      // An encoded colon is no colon: then the whole is a path, and not a legal one.
      assert.is(answer.status, 404, `${method} ${spelling} ${answer.text}`);
      assertError(answer.body, 'route_not_found');
    }
  }
  assert.is((await put('/v1/secrets/action/target%3aversions')).status, 400);
  const [secret] = await house.sql<{ current_version: number }>(
    "SELECT current_version FROM secrets WHERE path = 'action/target'",
  );
  assert.is(secret?.current_version, 1, 'none of them reached the secret');
});

test('any target is refused, or stored, audited and read under exactly that spelling', async () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.stringMatching(/^[a-z0-9_-]{1,6}$/) },
    { weight: 3, arbitrary: fc.constant('/') },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        '.',
        '..',
        '%2e',
        '%2f',
        '%252e',
        '%00',
        '\\',
        ';',
        '//',
        ':',
        'A',
        '%',
        '~',
        '#',
        '*',
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', ':metadata', '/v1/health', '\u00e9') },
  );
  const target = fc.array(piece, { minLength: 1, maxLength: 9 }).map((pieces) => pieces.join(''));
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(target, async (path) => {
      const id = requestId();
      const answer = await put(`/v1/secrets/${path}`, id);
      const rows = await house.audited(id);
      if ([400, 404, 405].includes(answer.status)) {
        assert.not((await storedPaths()).includes(path), path);
        for (const row of rows) assert.is(row.secret_path, null);
        return;
      }
      taken++;
      assert.ok(answer.status === 201 || answer.status === 200, `${path}: ${answer.text}`);
      assert.match(path, /^[a-z0-9_-]+(\/[a-z0-9_-]+){0,9}$/);
      assert.is(answer.body.path, path);
      assert.ok((await storedPaths()).includes(path), path);
      assert.equal(
        rows.map((row) => row.secret_path),
        [path],
      );
      const read = await rawRequest(house.port, 'GET', `/v1/secrets/${path}`, { headers: [authorization] });
      assert.is(read.body.path, path);
    }),
    { numRuns: 250 },
  );
  assert.ok(taken > 15, `only ${taken} of the generated paths were legal`);
  // All that was stored over the whole file is canonical.
  for (const path of await storedPaths()) assert.match(path, /^[a-z0-9_-]+(\/[a-z0-9_-]+){0,9}$/);
});

test.run();
