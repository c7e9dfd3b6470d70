/**
 * Requests that two parties could read differently (request smuggling), over raw sockets: refused in our own shape or
 * harmless, and the server answers on. Node's parser is the strict one as long as `insecureHTTPParser` is false.
 */
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { assertError, type House, startHouse } from './house.ts';
import { speak } from './raw.ts';

const test = suite('ambiguous requests');
let house: House;
let bearer: string;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  bearer = house.token();
});
test.after(() => house.stop());

const BODY = '{"data":{"a":1}}';
const CHUNKED = `10\r\n${BODY}\r\n0\r\n\r\n`;

/** A PUT whose head ends with these lines. */
function put(lines: readonly string[], body: string, version = '1.1'): string {
  const head = [
    `PUT /v1/secrets/app/smuggled HTTP/${version}`,
    `Authorization: Bearer ${bearer}`,
    'Content-Type: application/json',
    ...lines,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** What hides behind the end of the first request, if the two parties disagree where that is. */
const HIDDEN = 'GET /v1/secrets/app/hidden HTTP/1.1\r\nHost: vault\r\nX-Hidden: yes\r\n\r\n';

const REFUSED: readonly (readonly [string, () => string])[] = [
  [
    'Content-Length with Transfer-Encoding',
    () => put(['Host: v', 'Content-Length: 6', 'Transfer-Encoding: chunked'], CHUNKED),
  ],
  [
    'Transfer-Encoding with Content-Length',
    () => put(['Host: v', 'Transfer-Encoding: chunked', 'Content-Length: 6'], CHUNKED),
  ],
  ['two different Content-Lengths', () => put(['Host: v', 'Content-Length: 16', 'Content-Length: 17'], BODY)],
  ['two equal Content-Lengths', () => put(['Host: v', 'Content-Length: 16', 'Content-Length: 16'], BODY)],
  ['a list of Content-Lengths', () => put(['Host: v', 'Content-Length: 16, 16'], BODY)],
  ['a signed Content-Length', () => put(['Host: v', 'Content-Length: +16'], BODY)],
  ['a negative Content-Length', () => put(['Host: v', 'Content-Length: -1'], BODY)],
  ['a hexadecimal Content-Length', () => put(['Host: v', 'Content-Length: 0x10'], BODY)],
  ['a Content-Length beyond all numbers', () => put(['Host: v', 'Content-Length: 99999999999999999999999'], BODY)],
  ['an unknown transfer coding', () => put(['Host: v', 'Transfer-Encoding: xchunked'], CHUNKED)],
  ['a transfer coding after chunked', () => put(['Host: v', 'Transfer-Encoding: chunked, identity'], CHUNKED)],
  ['white space before the colon', () => put(['Host: v', 'Content-Length : 16'], BODY)],
  ['a vertical tab in the coding', () => put(['Host: v', 'Transfer-Encoding: \x0bchunked'], CHUNKED)],
  ['Transfer-Encoding in HTTP/1.0', () => put(['Host: v', 'Transfer-Encoding: chunked'], CHUNKED, '1.0')],
  ['a folded header', () => put(['Host: v', 'X-Folded: a\r\n b', 'Content-Length: 16'], BODY)],
  ['a bare line feed after a header', () => put(['Host: v\nContent-Length: 16'], BODY)],
  ['bare line feeds throughout', () => 'GET /v1/health HTTP/1.1\nHost: v\n\n'],
  [
    'a bare carriage return in a header',
    () => put(['Host: v', 'X-Cut: a\rContent-Length: 1', 'Content-Length: 16'], BODY),
  ],
  ['a NUL in a header', () => put(['Host: v', 'X-Nul: a\0b', 'Content-Length: 16'], BODY)],
  ['a chunk size with a sign', () => put(['Host: v', 'Transfer-Encoding: chunked'], `+10\r\n${BODY}\r\n0\r\n\r\n`)],
  ['a chunk ended by a bare line feed', () => put(['Host: v', 'Transfer-Encoding: chunked'], `10\n${BODY}\n0\n\n`)],
  [
    'a chunk that is longer than it says',
    () => put(['Host: v', 'Transfer-Encoding: chunked'], `5\r\n${BODY}\r\n0\r\n\r\n`),
  ],
  ['two Host headers', () => put(['Host: v', 'Host: w', 'Content-Length: 16'], BODY)],
  ['no Host header', () => put(['Content-Length: 16'], BODY)],
  ['a whole URL as the target', () => `GET http://vault/v1/health HTTP/1.1\r\nHost: vault\r\n\r\n`],
  ['the target of another scheme', () => `GET file:///etc/passwd HTTP/1.1\r\nHost: vault\r\n\r\n`],
  ['a target without a slash', () => `OPTIONS * HTTP/1.1\r\nHost: vault\r\n\r\n`],
  ['a tunnel', () => `CONNECT vault:443 HTTP/1.1\r\nHost: vault\r\n\r\n`],
  ['an unknown method', () => `BREW /v1/health HTTP/1.1\r\nHost: vault\r\n\r\n`],
  ['HTTP/2 without asking', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a version of HTTP that is none', () => `GET /v1/health HTTP/9.9\r\nHost: vault\r\n\r\n`],
  ['an old version of HTTP', () => 'GET /v1/health\r\n\r\n'],
  ['a header that is none', () => `GET /v1/health HTTP/1.1\r\nHost: vault\r\nnonsense\r\n\r\n`],
  ['no HTTP at all', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['two Authorization headers', () => put(['Host: v', 'Authorization: Bearer x', 'Content-Length: 16'], BODY)],
  ['two Content-Type headers', () => put(['Host: v', 'content-type: text/plain', 'Content-Length: 16'], BODY)],
  ['two X-Tenant-ID headers', () => put(['Host: v', 'X-Tenant-ID: a', 'x-tenant-id: b', 'Content-Length: 16'], BODY)],
  ['two If-Match headers', () => put(['Host: v', 'If-Match: "1"', 'If-Match: "2"', 'Content-Length: 16'], BODY)],
  [
    'more headers than a client sends',
    () =>
      `GET /v1/health HTTP/1.1\r\nHost: v\r\n${Array.from({ length: 100 }, (_, n) => `X-${n}: y\r\n`).join('')}\r\n`,
  ],
];

for (const [what, request] of REFUSED) {
  test(`${what}: 400 in our shape, nothing written, and what follows is not run`, async () => {
    const text = request();
    const { answers } = await speak(house.port, text + HIDDEN, { answers: 2 }).catch(() => speak(house.port, text));
    const [first, second] = answers;
    assert.is(first?.status, 400, `${first?.status} ${first?.text}`);
    assert.ok(['invalid_request', 'unsupported_media_type'].includes(first?.body?.error?.code), first?.text);
    assertError(first?.body, first?.body.error.code);
    // What follows on the connection stands for itself: without a token it opens nothing.
    if (second !== undefined) assert.ok([400, 401].includes(second.status), second.text);
    const written = await house.sql('SELECT 1 FROM secrets');
    assert.equal(written, []);
    assert.is((await house.ask('GET', '/v1/health', { token: null })).status, 200, 'the server answers on');
  });
}

test('headers beyond 16 KiB are refused with 431', async () => {
  const { answers } = await speak(house.port, put(['Host: v', `X-Long: ${'a'.repeat(17 * 1024)}`], BODY));
  assert.is(answers[0]?.status, 431);
  assertError(answers[0]?.body, 'payload_too_large');
});

test('HTTP/1.0 without a Host is served and closed', async () => {
  const { answers, closed } = await speak(house.port, 'GET /v1/health HTTP/1.0\r\n\r\n', { answers: 2 });
  assert.is(answers[0]?.status, 200);
  assert.ok(closed);
});

test('an offer to change the protocol is not taken', async () => {
  for (const protocol of ['h2c', 'websocket']) {
    const head = `GET /v1/health HTTP/1.1\r\nHost: v\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
    const { answers } = await speak(house.port, head);
    assert.is(answers[0]?.status, 200, protocol);
  }
});

test('a chunked body is read like any other', async () => {
  const { answers } = await speak(house.port, put(['Host: v', 'Transfer-Encoding: chunked'], CHUNKED));
  assert.is(answers[0]?.status, 201, answers[0]?.text);
  await house.sql('TRUNCATE secrets CASCADE');
});

test('requests one behind the other are answered in their order', async () => {
  const one = `GET /v1/version HTTP/1.1\r\nHost: v\r\n\r\n`;
  const other = `GET /v1/nothing HTTP/1.1\r\nHost: v\r\n\r\n`;
  const { answers } = await speak(house.port, one + other + one, { answers: 3 });
  assert.equal(
    answers.map(({ status }) => status),
    [200, 404, 200],
  );
});

test('clients that reset their connection at once do no harm', async () => {
  for (let round = 0; round < 100; round++) {
    await new Promise<void>((resolve) => {
      const socket = connect(house.port, '127.0.0.1', () => {
        socket.write('GET /v1/health HTTP/1.1\r\nHost: v\r\n\r\n');
        socket.resetAndDestroy();
        resolve();
      });
      socket.on('error', () => resolve());
    });
  }
  assert.is((await house.ask('GET', '/v1/health', { token: null })).status, 200);
});

test.run();
