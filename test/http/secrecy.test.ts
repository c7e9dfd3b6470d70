/**
 * A random word is planted through every input and looked for in everything that is kept or said (OpenBao CVE-2025-62513,
 * CVE-2025-4166, CVE-2026-46358).
 */
import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { type House, startHouse } from './house.ts';
import { rawRequest, speak } from './raw.ts';

const test = suite('secrecy of what was sent', { timeoutMs: 30_000 });
const CANARY = `canary${randomBytes(8).toString('hex')}`;
let house: House;
let authorization: string;
/** Every answer that the canary's sender got, the reads of its own value left out. */
const said: string[] = [];

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  authorization = `Authorization: Bearer ${house.token()}`;
});
test.after(() => house.stop());

async function assertUnheard(): Promise<void> {
  for (const text of said) assert.not.match(text, CANARY, 'an answer');
  assert.not.match(JSON.stringify(house.log), CANARY, 'the log');
  const token = house.token({ sub: house.adminSub, scope: 'admin' });
  const metrics = await house.ask('GET', '/v1/metrics', { token });
  assert.match(metrics.text, 'scaivault_requests_total');
  assert.not.match(metrics.text, CANARY, 'the metrics');
  const rows = await house.sql<{ row: string }>('SELECT audit_log::text AS row FROM audit_log');
  assert.ok(rows.length > 0);
  for (const { row } of rows) assert.not.match(row, CANARY, 'the audit log');
}

async function put(asked: Parameters<House['ask']>[2], path = 'app/secret') {
  const answer = await house.ask('PUT', `/v1/secrets/${path}`, asked);
  said.push(answer.text, JSON.stringify([...answer.headers]));
  return answer;
}

test('a value, good or bad, is heard of nowhere', async () => {
  assert.is((await put({ body: { data: { password: CANARY, [CANARY]: 1, deep: [{ a: CANARY }] } } })).status, 201);
  assert.equal((await house.ask('GET', '/v1/secrets/app/secret')).body.data.password, CANARY);
  // Kept for who asks again: the answer, and of the request nothing that shows what it was.
  const headers = { 'idempotency-key': 'again' };
  for (const status of [201, 201, 409]) {
    const data = { password: CANARY, status };
    const body = status === 409 ? { data } : { data: { password: CANARY } };
    assert.is((await put({ headers, body }, 'app/again')).status, status);
  }
  assert.is((await house.ask('GET', '/v1/secrets/app/again', { headers: { 'if-none-match': CANARY } })).status, 200);
  const bad: Parameters<House['ask']>[2][] = [
    { body: { data: CANARY } },
    { body: { data: [CANARY] } },
    { body: CANARY },
    { body: { data: {}, secret_type: CANARY } },
    { body: { data: { a: CANARY }, options: { cas: CANARY } } },
    { body: { data: { a: CANARY }, options: { cas: 77 } } },
    { body: { data: { a: CANARY } }, headers: { 'if-match': `"${CANARY}"` } },
    { body: { data: { a: CANARY } }, headers: { 'if-none-match': CANARY } },
    { body: { data: { a: CANARY }, metadata: { custom: { a: `${CANARY}\0` } } } },
    { body: { data: { a: CANARY }, metadata: { description: `${CANARY}\ud800` } } },
    { body: { data: { a: CANARY }, metadata: { owner: CANARY.repeat(50) } } },
    { body: { data: { a: CANARY }, metadata: { tags: [CANARY, CANARY] } } },
    { raw: `{"data":{"a":"${CANARY}"` },
    { raw: `${CANARY}` },
    { raw: `{"data":{"a":"${CANARY}","n":1e999}}` },
    { raw: `{"data":${'['.repeat(40)}"${CANARY}"${']'.repeat(40)}}` },
    { raw: `password=${CANARY}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    { raw: `${' '.repeat(1_048_576)}${CANARY}` },
    { body: { data: { a: CANARY } }, token: house.token({ scope: 'secrets:read' }) },
    { body: { data: { a: CANARY } }, token: null },
    { body: { data: { a: CANARY } }, token: 'a.b.c' },
    { body: { data: { a: CANARY } }, headers: { 'idempotency-key': `${CANARY} with a space` } },
  ];
  for (const asked of bad) assert.ok((await put(asked)).status >= 400);
  assert.is((await put({ body: { data: { a: CANARY } } }, 'else/where')).status, 403);
  await assertUnheard();
});

test('what stands in a header is heard of nowhere', async () => {
  const headers = [
    'Cookie',
    'X-Api-Key',
    'X-Vault-Token',
    'Referer',
    'Origin',
    'X-Forwarded-For',
    'Forwarded',
    'X-Real-IP',
  ];
  const others = [
    'If-None-Match',
    'Accept',
    'X-Tenant-ID',
    'If-Match',
    'Proxy-Authorization',
    'Idempotency-Key',
    'Accept-Language',
  ];
  for (const name of [...headers, ...others]) {
    const answer = await rawRequest(house.port, 'GET', '/v1/secrets/app/none', {
      headers: [authorization, `${name}: ${CANARY}`],
    });
    said.push(answer.text);
  }
  for (const value of [
    `Bearer ${CANARY}`,
    `Bearer ${CANARY}.${CANARY}.${CANARY}`,
    `Basic ${CANARY}`,
    CANARY,
    `Bearer skt_${CANARY}`,
  ]) {
    const answer = await rawRequest(house.port, 'GET', '/v1/secrets/app/x', { headers: [`Authorization: ${value}`] });
    assert.is(answer.status, 401);
    said.push(answer.text);
  }
  const claims = { jti: CANARY, nonce_: CANARY, name: CANARY.slice(0, 3), custom: { a: CANARY } };
  said.push((await house.ask('GET', '/v1/auth/whoami', { token: house.token(claims) })).text);
  const { answers } = await speak(house.port, `GET / HTTP/1.1\r\nHost: v\r\n${CANARY} : x\r\n\r\n`);
  said.push(answers[0]?.text ?? '');
  await assertUnheard();
});

test('what stands in a target that is no path is heard of nowhere', async () => {
  const targets = [
    `/v1/secrets/App/${CANARY}`,
    `/v1/secrets/app//${CANARY}`,
    `/v1/secrets/app/x:${CANARY}`,
    `/v1/secrets/app/x?version=${CANARY}`,
    `/v1/secrets/app/x?${CANARY}=1&%zz`,
    `/v1/${CANARY}`,
    `/v1/t/${CANARY}/secrets/app/x`,
    `http://${CANARY}/v1/secrets/app/x`,
    `/v1/audit/logs?cursor=${CANARY}`,
    `/v1/audit/logs?from=${CANARY}`,
    `/v1/audit/logs?identity_id=${CANARY}`,
  ];
  for (const target of targets) {
    const auditor = `Authorization: Bearer ${house.adminToken()}`;
    for (const caller of [authorization, auditor]) {
      const answer = await rawRequest(house.port, 'GET', target, { headers: [caller] });
      said.push(answer.text);
    }
  }
  await assertUnheard();
});

test('no random body makes an answer repeat a value', async () => {
  const word = fc.constant(CANARY);
  const anything = fc.oneof(
    word,
    fc.integer(),
    fc.constant(null),
    fc.array(word, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'cas', 'tags', '__proto__'), word, { maxKeys: 3 }),
  );
  const body = fc.record(
    {
      data: anything,
      secret_type: anything,
      metadata: fc.oneof(
        anything,
        fc.record({ description: anything, tags: anything, owner: anything, custom: anything }, { requiredKeys: [] }),
      ),
      options: fc.oneof(anything, fc.record({ cas: anything }, { requiredKeys: [] })),
      extra: anything,
    },
    { requiredKeys: [] },
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const answer = await house.ask('PUT', '/v1/secrets/app/random', { body: sent });
      if (answer.status < 300) return;
      refused++;
      assert.ok([400, 422].includes(answer.status), answer.text);
      assert.not.match(answer.text, CANARY);
    }),
    { numRuns: 200 },
  );
  assert.ok(refused > 100);
  await assertUnheard();
});

test('the database holds the value only sealed', async () => {
  const tables = await house.sql<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables) {
    // Metadata is not secret, and tests above put the word there.
    const rows = await house.sql<{ row: string }>(`SELECT t::text AS row FROM "${name}" t`);
    for (const { row } of rows) {
      if (name !== 'secrets') assert.not.match(row, CANARY, name);
      assert.not.match(row, Buffer.from(CANARY).toString('hex'), name);
      assert.not.match(row, Buffer.from(CANARY).toString('base64').slice(0, 20), name);
    }
  }
});

test.run();
