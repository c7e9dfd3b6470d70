import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { GuessLimit } from '../../src/http/guess-limit.ts';
import { RefusalSample } from '../../src/http/refusal-sample.ts';
import { suite } from '../support/suite.ts';
import { type AuditRow, assertError, type House, requestId, startHouse } from './house.ts';

const test = suite('limits seen by a client');
let house: House;

test.before(async () => {
  house = await startHouse({
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_SECRETS_READ: '6/min:3',
    RATE_LIMIT_AUTH_FAILURES: '6/min:4',
  });
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(() => house.stop());

const read = (asked: Parameters<House['ask']>[2] = {}) => house.ask('GET', '/v1/secrets/app/none', asked);

test('a caller who asks too often is told when to come back, and nobody else is kept waiting', async () => {
  const statuses: number[] = [];
  const id = requestId();
  for (let round = 0; round < 6; round++) {
    statuses.push((await read({ headers: { 'x-request-id': id } })).status);
  }
  assert.equal(statuses, [404, 404, 404, 429, 429, 429]);
  const refused = await read();
  assertError(refused.body, 'rate_limited');
  assert.equal(refused.body.error.details, { category: 'SECRETS_READ' });
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(Number.isInteger(wait) && wait >= 1 && wait <= 10, `${wait}`);
  assert.is(refused.headers.get('x-ratelimit-limit'), '3');
  assert.is(refused.headers.get('x-ratelimit-remaining'), '0');
  assert.is((await read({ token: house.token({ sub: 'usr_bob' }) })).status, 403, 'another subject');
  const written = await house.ask('PUT', '/v1/secrets/app/x', { body: { data: {} } });
  assert.is(written.status, 201, 'another category');
  const own = `/v1/t/${house.tenantId}/secrets/app/none`;
  assert.is((await house.ask('GET', own)).status, 429, 'another way to the same tenant is the same bucket');
  const rows = await house.audited(id);
  const limited = rows.filter((row) => row.error_code === 'rate_limited');
  assert.is(rows.length - limited.length, 3);
  assert.ok(limited.length >= 1 && limited.length <= 2, `${limited.length} entries after the first 429`);
  for (const row of limited) assert.type(row.extra_data.suppressed, 'number');
});

test('the limit comes before the body: what is refused is not read', async () => {
  const strict = await startHouse({ RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SECRETS_WRITE: '1/min:1' });
  try {
    const first = await strict.ask('PUT', '/v1/secrets/app/x', { raw: '{' });
    assert.is(first.status, 400);
    assert.is((await strict.ask('PUT', '/v1/secrets/app/x', { raw: '{' })).status, 429);
  } finally {
    await strict.stop();
  }
});

test('tokens that fail are limited by address, in one shape, and a good one is never refused', async () => {
  const bad = [
    'nonsense',
    'a.b.c',
    `${house.token()}x`,
    house.token({ exp: 1 }),
    house.token({ aud: 'else' }),
    'skt_x',
  ];
  const statuses: number[] = [];
  for (let round = 0; round < 10; round++) statuses.push((await read({ token: bad[round % bad.length]! })).status);
  assert.equal(statuses.slice(0, 4), [401, 401, 401, 401]);
  assert.equal(new Set(statuses.slice(5)), new Set([429]));
  const answers = await Promise.all(bad.map((token) => read({ token })));
  const shapes = answers.map(({ status, body: { error } }) => ({ status, ...error, request_id: '' }));
  for (const shape of shapes) assert.equal(shape, shapes[0]);
  assert.equal(shapes[0]?.details, { category: 'AUTH_FAILURES' });
  for (const answer of answers) assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  const fresh = house.token({ sub: 'usr_carol', jti: 'never seen before' });
  assert.is((await house.ask('GET', '/v1/auth/whoami', { token: fresh })).status, 200, 'one that verifies');
  assert.is((await read({ token: null })).status, 401, 'none at all is no guess');
  const rows = await house.sql<AuditRow>("SELECT * FROM audit_log WHERE action = 'auth_failed'");
  assert.ok(rows.length <= 20, 'sampled');
  for (const row of rows)
    assert.ok(['rate_limited'].includes(row.error_code ?? '') || /^(token|auth)/.test(row.error_code ?? ''));
});

const failure = new ApiError('token_invalid');
const from = (ip: string | null, peer = '10.0.0.1') => ({ ip, peer, forwardedUntrusted: false });

async function isLimited(limit: GuessLimit, source: Parameters<GuessLimit['judge']>[1], thrown: unknown = failure) {
  const judged = await limit.judge(thrown, source);
  return judged instanceof ApiError && judged.code === 'rate_limited';
}

test('addresses are counted apart, those of one /64 together, unknown ones by their peer', async () => {
  const limit = new GuessLimit({ perMinute: 1, burst: 1 }, { now: () => 0 });
  assert.not(await isLimited(limit, from('203.0.113.5')));
  assert.ok(await isLimited(limit, from('203.0.113.5')));
  assert.not(await isLimited(limit, from('203.0.113.6')));
  assert.not(await isLimited(limit, from('2001:db8:1:2::1')));
  assert.ok(await isLimited(limit, from('2001:db8:1:2:ffff::9')));
  assert.not(await isLimited(limit, from('2001:db8:1:3::1')));
  assert.not(await isLimited(limit, from(null, '10.0.0.9')));
  assert.ok(await isLimited(limit, from(null, '10.0.0.9')));
  assert.not(await isLimited(limit, from(null, '10.0.0.8')));
});

test('the limit on failures refills, may be off, and does not count what is no fault of the token', async () => {
  let now = 0;
  const limit = new GuessLimit({ perMinute: 60, burst: 1 }, { now: () => now });
  assert.not(await isLimited(limit, from('1.1.1.1')));
  assert.ok(await isLimited(limit, from('1.1.1.1')));
  now += 1_000;
  assert.not(await isLimited(limit, from('1.1.1.1')));
  for (let round = 0; round < 5; round++) {
    assert.not(await isLimited(limit, from('2.2.2.2'), new ApiError('service_unavailable')));
    assert.not(await isLimited(limit, from('2.2.2.2'), new Error('a defect')));
  }
  assert.not(await isLimited(limit, from('2.2.2.2')), 'none of them counted');
  const off = new GuessLimit('off');
  for (let round = 0; round < 100; round++) assert.not(await isLimited(off, from('1.1.1.1')));
});

test('a sample keeps the first of each minute and counts the others', () => {
  const sample = new RefusalSample(2);
  const taken = [0, 1, 2, 3, 59_999, 60_000, 60_001, 60_002, 180_000].map((ms) => sample.take(ms));
  assert.equal(taken, [0, 0, null, null, null, 3, 0, null, 1]);
});

test.run();
