/** Bodies that a stranger with a token may send. None of them ends the process, and each is told what is wrong. */
import { once } from 'node:events';
import { connect } from 'node:net';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse } from './house.ts';
import { speak } from './raw.ts';

const test = suite('bodies', { timeoutMs: 60_000 });
let house: House;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(() => house.stop());

const MEGABYTE = 1024 * 1024;
const put = (path: string, asked: Parameters<House['ask']>[2]) => house.ask('PUT', `/v1/secrets/app/${path}`, asked);
const countSecrets = async () => (await house.sql('SELECT 1 FROM secrets')).length;

const NOT_JSON: readonly (readonly [string, string | Uint8Array])[] = [
  ['nothing', ''],
  ['white space', '   '],
  ['text', 'password=hunter2'],
  ['half an object', '{"data":{"a":1}'],
  ['two objects', '{"data":{}}{"data":{}}'],
  ['a comment', '{"data":{}/* hello */}'],
  ['a trailing comma', '{"data":{"a":1,}}'],
  ['single quotes', "{'data':{}}"],
  ['NaN', '{"data":{"a":NaN}}'],
  ['invalid UTF-8', new Uint8Array([...Buffer.from('{"data":{"a":"'), 0xff, 0xfe, ...Buffer.from('"}}')])],
  ['an overlong encoding', new Uint8Array([...Buffer.from('{"data":{"a":"'), 0xc0, 0xaf, ...Buffer.from('"}}')])],
  ['an encoded surrogate', new Uint8Array([...Buffer.from('{"data":{"a":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}}')])],
  ['UTF-16', Buffer.from('{"data":{}}', 'utf16le')],
  ['compressed bytes', new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])],
];

for (const [what, raw] of NOT_JSON) {
  test(`${what} is no body: 400, and nothing of it comes back`, async () => {
    const before = await countSecrets();
    const answer = await put('bad', { raw });
    assert.is(answer.status, 400, answer.text);
    assertError(answer.body, 'invalid_request');
    assert.not.match(answer.text, /hunter2|hello/);
    assert.is(await countSecrets(), before);
  });
}

test('JSON that is no object is told what it must be', async () => {
  for (const raw of ['null', '1', '"text"', '[]', 'true']) {
    const answer = await put('bad', { raw });
    assert.is(answer.status, 422, raw);
    assert.equal(answer.body.error.details.fields, { body: 'must be object' });
  }
});

test('only JSON is taken: 415 for anything else', async () => {
  const refused = ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'text/json', ''];
  const charsets = ['application/json; charset=utf-16', 'application/json, text/plain', 'application/json; a=b'];
  for (const type of [...refused, ...charsets]) {
    const answer = await put('typed', { raw: '{"data":{}}', headers: { 'content-type': type } });
    assert.is(answer.status, 415, type);
    assertError(answer.body, 'unsupported_media_type');
  }
  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json; charset=UTF-8',
    'application/json;charset="utf-8"',
  ]) {
    const answer = await put('typed', { raw: '{"data":{}}', headers: { 'content-type': type } });
    assert.ok(answer.status < 300, `${type} ${answer.text}`);
  }
});

test('a body above 1 MiB is 413 whether its length is said or not', async () => {
  for (let round = 0; round < 10; round++) {
    const said = await put('big', { raw: new Uint8Array(2 * MEGABYTE).fill(0x20) });
    assert.is(said.status, 413);
    assertError(said.body, 'payload_too_large');
    assert.is(said.body.error.details.max_bytes, MEGABYTE);
  }
  const head = `PUT /v1/secrets/app/big HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer ${house.token()}\r\nContent-Type: application/json\r\n`;
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  const { answers, closed } = await speak(
    house.port,
    `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(32)}0\r\n\r\n`,
    { answers: 2 },
  );
  assert.is(answers[0]?.status, 413);
  assert.ok(closed, 'the rest is not read');
  const { answers: promised } = await speak(house.port, `${head}Content-Length: 99999999999\r\n\r\n{`);
  assert.is(promised[0]?.status, 413, 'what is only announced is not waited for');
});

test('of an endless body no more is taken in than lies in the buffers of the network', async () => {
  const socket = connect(house.port, '127.0.0.1');
  let ended = false;
  socket.on('close', () => {
    ended = true;
  });
  socket.on('error', () => {});
  socket.write(
    `PUT /v1/secrets/app/endless HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer ${house.token()}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  socket.resume();
  for (let sent = 0; sent < 1_000 && !ended; sent++) {
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
  }
  assert.ok(ended, 'the server ends it');
  assert.ok(socket.bytesWritten < 24 * MEGABYTE, `${socket.bytesWritten} bytes were taken`);
});

test('a body of exactly 1 MiB is taken', async () => {
  const frame = JSON.stringify({ data: { value: '' } }).length;
  const value = 'x'.repeat(MEGABYTE - frame);
  const answer = await put('exact', { raw: JSON.stringify({ data: { value } }) });
  assert.is(answer.status, 201, answer.text);
  assert.is((await house.ask('GET', '/v1/secrets/app/exact')).body.data.value.length, value.length);
});

test('100,000 levels are refused before they are parsed', async () => {
  for (const raw of ['['.repeat(100_000), '{"a":'.repeat(100_000), `{"data":${'['.repeat(33)}${']'.repeat(33)}}`]) {
    const started = performance.now();
    const answer = await put('deep', { raw });
    assert.is(answer.status, 400, answer.text);
    assertError(answer.body, 'invalid_request');
    assert.match(answer.body.error.message, /32 levels/);
    assert.ok(performance.now() - started < 2_000);
  }
  const brackets = await put('deep', { body: { data: { text: '['.repeat(1_000), quoted: '"[{\\"[' } } });
  assert.ok(brackets.status < 300, 'brackets in a text are text');
  const legal = await put('deep', { raw: `{"data":{"a":${'['.repeat(30)}${']'.repeat(30)}}}` });
  assert.is(legal.status, 200, legal.text);
});

test('50,000 members are a value like any other, and a great many unknown ones an error like any other', async () => {
  const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`k${n}`, n]));
  assert.is((await put('many', { body: { data: many } })).status, 201);
  assert.equal((await house.ask('GET', '/v1/secrets/app/many')).body.data, many);
  const answer = await put('many', { body: { data: {}, ...many } });
  assert.is(answer.status, 422);
  const fields = Object.keys(answer.body.error.details.fields);
  assert.ok(fields.length >= 1 && fields.length <= 20, `${fields.length} fields`);
  assert.ok(answer.text.length < 4_000);
});

test('unknown fields are named, at every depth, and their values are not', async () => {
  const canary = 'CANARYVALUE';
  const body = {
    data: {},
    dta: canary,
    options: { cas: 0, CAS: canary },
    metadata: { tag: [canary] },
    [`long${'g'.repeat(500)}`]: canary,
    __proto_: canary,
  };
  const answer = await put('unknown', { body });
  assert.is(answer.status, 422);
  assertError(answer.body, 'validation_error');
  const { fields } = answer.body.error.details;
  for (const name of ['dta', 'options.CAS', 'metadata.tag', '__proto_']) assert.is(fields[name], 'unknown field', name);
  assert.not.match(answer.text, /CANARY/);
  for (const name of Object.keys(fields)) assert.ok(name.length <= 64, name);
});

test('a field of the wrong kind is named with its rule, and its value is not', async () => {
  const canary = 'CANARYVALUE';
  const wrong: readonly (readonly [string, object])[] = [
    ['data', { data: canary }],
    ['data', { data: [canary] }],
    ['data', { data: null }],
    ['data', {}],
    ['secret_type', { data: {}, secret_type: [canary] }],
    ['options.cas', { data: {}, options: { cas: canary } }],
    ['options.cas', { data: {}, options: { cas: -1 } }],
    ['options.cas', { data: {}, options: { cas: 1.5 } }],
    ['options.cas', { data: {}, options: { cas: 2_147_483_648 } }],
    ['metadata.tags', { data: {}, metadata: { tags: canary } }],
    ['metadata.tags.0', { data: {}, metadata: { tags: [''] } }],
    ['metadata.tags', { data: {}, metadata: { tags: [canary, canary] } }],
    ['metadata.tags', { data: {}, metadata: { tags: Array.from({ length: 65 }, (_, n) => `${canary}${n}`) } }],
    ['metadata.owner', { data: {}, metadata: { owner: `${canary}${'x'.repeat(256)}` } }],
    ['metadata.description', { data: {}, metadata: { description: { [canary]: canary } } }],
    ['metadata.custom', { data: {}, metadata: { custom: [canary] } }],
    [`metadata.custom.${'x'.repeat(48)}`, { data: {}, metadata: { custom: { ['x'.repeat(129)]: canary } } }],
  ];
  for (const [field, body] of wrong) {
    const answer = await put('wrong', { body });
    assert.is(answer.status, 422, `${field} ${answer.text}`);
    assertError(answer.body, 'validation_error');
    assert.ok(field in answer.body.error.details.fields, `${field}: ${answer.text}`);
    assert.not.match(answer.text, /CANARY/, field);
  }
  const type = await put('wrong', { body: { data: {}, secret_type: canary } });
  assert.is(type.status, 400);
  assertError(type.body, 'invalid_secret_type');
  assert.not.match(type.text, /CANARY/);
});

test('a secret may be named __proto__ and constructor, and poisons nothing', async () => {
  const raw = '{"data":{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"toString":1}}';
  assert.is((await put('proto', { raw })).status, 201);
  const answer = await house.ask('GET', '/v1/secrets/app/proto');
  assert.is(
    answer.text.includes(
      '"data":{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"toString":1}',
    ),
    true,
  );
  assert.is(({} as { polluted?: string }).polluted, undefined);
  const custom = await put('proto', { raw: '{"data":{},"metadata":{"custom":{"__proto__":{"polluted":"yes"}}}}' });
  assert.is(custom.status, 200, custom.text);
  assert.ok(custom.text.includes('"custom":{"__proto__":{"polluted":"yes"}}'), custom.text);
  assert.is(({} as { polluted?: string }).polluted, undefined);
  for (const raw of [
    '{"data":{},"__proto__":{"options":{"cas":9}}}',
    '{"data":{},"constructor":{}}',
    '{"__proto__":{"data":{}}}',
  ]) {
    const refused = await put('proto', { raw });
    assert.is(refused.status, 422, raw);
    assertError(refused.body, 'validation_error');
  }
});

test('NUL and lone surrogates: refused where they would be stored as text, kept where they are the value', async () => {
  for (const bad of ['a\0b', '\ud800', 'x\udc00y', '\udc00\ud800']) {
    const metadata = [
      { description: bad },
      { tags: [bad] },
      { owner: bad },
      { custom: { a: bad } },
      { custom: { [bad]: 1 } },
    ];
    for (const part of [...metadata, { custom: { a: [{ b: bad }] } }]) {
      const answer = await put('odd', { body: { data: {}, metadata: part } });
      assert.is(answer.status, 422, `${JSON.stringify(part)} ${answer.text}`);
      assertError(answer.body, 'validation_error');
    }
  }
  assert.equal(await house.sql("SELECT 1 FROM secrets WHERE path = 'app/odd'"), []);
  const data = {
    nul: 'a\0b',
    high: '\ud800',
    low: '\udc00',
    'name\0': 1,
    '\ud800': 2,
    pair: '\u{1f511}',
    line: '\u2028',
  };
  assert.is((await put('odd', { body: { data } })).status, 201);
  assert.equal((await house.ask('GET', '/v1/secrets/app/odd')).body.data, data);
});

test('a number that a double would change is refused, the others come back as they were', async () => {
  for (const number of ['12345678901234567890', '9007199254740993', '-9007199254740993', '1e400', '-1e999', '1e30']) {
    for (const raw of [
      `{"data":{"n":${number}}}`,
      `{"data":{"a":[{"b":${number}}]}}`,
      `{"data":{},"metadata":{"custom":{"n":${number}}}}`,
    ]) {
      const answer = await put('numbers', { raw });
      assert.is(answer.status, 400, `${raw} ${answer.text}`);
      assertError(answer.body, 'invalid_request');
    }
  }
  const raw = '{"data":{"n":[0,-1,9007199254740991,-9007199254740991,0.1,1e-7,1.5e10,123456789.125]}}';
  assert.is((await put('numbers', { raw })).status, 201);
  const { data } = (await house.ask('GET', '/v1/secrets/app/numbers')).body;
  assert.equal(data, JSON.parse(raw).data);
});

test('any JSON object comes back as it went in', async () => {
  const leaf = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.constant(null),
    fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
  );
  const value = fc.dictionary(
    fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.constantFrom('__proto__', 'constructor', 'toJSON', '')),
    fc.oneof(leaf, fc.array(leaf, { maxLength: 4 }), fc.dictionary(fc.string({ maxLength: 4 }), leaf, { maxKeys: 3 })),
    { maxKeys: 6 },
  );
  await fc.assert(
    fc.asyncProperty(value, async (data) => {
      const raw = `{"data":${JSON.stringify(data)}}`;
      const written = await put('any', { raw });
      assert.ok(written.status < 300, `${raw} ${written.text}`);
      const read = await house.ask('GET', '/v1/secrets/app/any');
      assert.equal(JSON.stringify(read.body.data), JSON.stringify(JSON.parse(raw).data));
    }),
    { numRuns: 60 },
  );
});

test('a call without a body takes none', async () => {
  const head = `Host: v\r\nAuthorization: Bearer ${house.token()}\r\nContent-Type: application/json`;
  const requests = [
    `GET /v1/auth/whoami HTTP/1.1\r\n${head}\r\nContent-Length: 2\r\n\r\n{}`,
    `GET /v1/auth/whoami HTTP/1.1\r\n${head}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  ];
  for (const request of requests) {
    const { answers } = await speak(house.port, request);
    assert.is(answers[0]?.status, 400, answers[0]?.text);
    assertError(answers[0]?.body, 'invalid_request');
  }
  const { answers } = await speak(house.port, `GET /v1/auth/whoami HTTP/1.1\r\n${head}\r\nContent-Length: 0\r\n\r\n`);
  assert.is(answers[0]?.status, 200);
});

test('a body is invited by 100 Continue only after its sender was let in', async () => {
  const head = (path: string, token: string) =>
    `PUT /v1/secrets/${path} HTTP/1.1\r\nHost: v\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n`;
  const invited = await speak(house.port, `${head('app/invited', house.token())}{"data":{}}`, { answers: 1 });
  assert.equal(
    invited.answers.map(({ status }) => status),
    [100, 201],
  );
  const stranger = await speak(house.port, head('app/invited', 'nonsense'));
  assert.equal(
    stranger.answers.map(({ status }) => status),
    [401],
  );
  const scopeless = await speak(house.port, head('app/invited', house.token({ scope: 'secrets:read' })));
  assert.equal(
    scopeless.answers.map(({ status }) => status),
    [403],
  );
  const unknown = await speak(
    house.port,
    'GET /v1/health HTTP/1.1\r\nHost: v\r\nConnection: close\r\nExpect: miracles\r\n\r\n',
  );
  assert.is(unknown.answers[0]?.status, 200, 'an expectation that is not known is none');
});

test('a body that ends too soon is no error of ours', async () => {
  const id = requestId();
  const socket = connect(house.port, '127.0.0.1');
  socket.write(
    `PUT /v1/secrets/app/cut HTTP/1.1\r\nHost: v\r\nX-Request-ID: ${id}\r\nAuthorization: Bearer ${house.token()}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"data"`,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  socket.destroy();
  for (let wait = 0; wait < 40 && (await house.audited(id)).length === 0; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const [row, ...more] = await house.audited(id);
  assert.equal(more, []);
  assert.is(row?.error_code, 'invalid_request');
  assert.equal(
    house.log.filter(({ level }) => level === 'error'),
    [],
  );
});

test('a member that stands twice is refused: two parsers would read two values', async () => {
  for (const raw of ['{"data":{"a":1},"data":{"a":2}}', '{"data":{"a":1,"a":2}}', '{"data":{"a":1,"\\u0061":2}}']) {
    const answer = await put('twice', { raw });
    assert.is(answer.status, 400, answer.text);
    assert.is(answer.body.error.code, 'invalid_request');
  }
});

test.run();
