import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('limits of batches');
let house: House;
/** A caller whose buckets are full. */
let token: string;
let callers = 0;

test.before(async () => {
  house = await startHouse({
    RATE_LIMIT_ENABLED: 'true',
    // One a minute: nothing flows in during a test.
    RATE_LIMIT_BATCH_READ: '1/min:4',
    RATE_LIMIT_SECRETS_READ: '1/min:50',
    RATE_LIMIT_BATCH_METADATA: '1/min:2',
  });
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write', 'list'] }]);
  for (const name of ['a', 'b', 'c']) await house.ask('PUT', `/v1/secrets/app/${name}`, { body: { data: { name } } });
});
test.beforeEach(async () => {
  const sub = `usr_limited_${callers++}`;
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'list'] }], sub);
  token = house.token({ sub, email: undefined });
});
test.after(() => house.stop());

const paths = (count: number) => Array.from({ length: count }, (_, n) => `app/none${n}`);
const batch = (body: unknown, headers = {}) => house.ask('POST', '/v1/secrets/batch', { token, body, headers });

/** Tokens of SECRETS_READ that the caller has left; asking costs one. */
async function reads(): Promise<number> {
  const { headers } = await house.ask('GET', '/v1/secrets/app/a', { token });
  return Number(headers.get('x-ratelimit-remaining')) + 1;
}

function shown(headers: Headers): readonly (string | null)[] {
  return ['limit', 'remaining'].map((name) => headers.get(`x-ratelimit-${name}`));
}

test('a batch takes one of its own and one read for each path that was returned', async () => {
  const answer = await batch({ paths: ['app/a', 'app/b', 'app/c', 'app/none', 'closed/x'] });
  assert.is(answer.status, 200, answer.text);
  assert.equal(shown(answer.headers), ['4', '3'], 'headers are those of BATCH_READ');
  assert.match(String(answer.headers.get('x-ratelimit-reset')), /^\d{10}$/);
  assert.is(await reads(), 50 - 3);
});

test('a batch that is short of reads takes nothing, and says what was short', async () => {
  await batch({ paths: ['app/a', 'app/b'] });
  const id = requestId();
  const refused = await batch({ paths: paths(49) }, { 'x-request-id': id });
  assert.is(refused.status, 429);
  assertError(refused.body, 'rate_limited');
  assert.equal(refused.body.error.details, { category: 'SECRETS_READ' });
  assert.equal(shown(refused.headers), ['50', '48']);
  assert.ok(Number(refused.headers.get('retry-after')) > 50);
  const next = await batch({ paths: ['app/a'] });
  assert.equal(shown(next.headers), ['4', '2'], 'no batch was taken by the refused one');
  assert.is(await reads(), 47);
  const [row] = await house.audited(id);
  assert.equal([row?.success, row?.error_code], [false, 'rate_limited']);
});

test('a batch larger than the bucket is told so', async () => {
  const refused = await batch({ paths: paths(51) });
  assert.is(refused.status, 429);
  assert.match(refused.body.error.message, /needs 51 of SECRETS_READ at once, and there are never more than 50/);
});

test('the category that has run out is named', async () => {
  for (let n = 0; n < 4; n++) assert.is((await batch({ paths: ['app/a'] })).status, 200);
  const refused = await batch({ paths: ['app/a'] });
  assert.equal(refused.body.error.details, { category: 'BATCH_READ' });
  assert.equal(shown(refused.headers), ['4', '0']);
  assert.is(await reads(), 46);
});

test('a batch that is refused as a whole gets its reads back, not its batch', async () => {
  const strict = await batch({ paths: ['app/a', 'app/b', 'closed/x'], options: { fail_fast: true } });
  assert.is(strict.status, 403);
  assert.equal(shown(strict.headers), ['4', '3']);
  assert.is(await reads(), 50);
});

test('a body that is not right costs a batch, so that nobody may send them for ever', async () => {
  for (const body of [{ paths: paths(101) }, { paths: [] }, { paths: ['app/a', 'app/a'] }, {}]) {
    assert.is((await batch(body)).status, 422);
  }
  const refused = await batch({});
  assert.is(refused.status, 429, 'before the body is read');
  assert.equal(refused.body.error.details, { category: 'BATCH_READ' });
  assert.is(await reads(), 50);
});

test('a token without the scope costs a batch too', async () => {
  token = house.token({ sub: `usr_scopeless`, scope: 'secrets:list' });
  for (let n = 0; n < 4; n++) assert.is((await batch({ paths: ['app/a'] })).status, 403);
  assert.is((await batch({ paths: ['app/a'] })).status, 429);
});

test('many batches at once get no more than there is, of both kinds', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => batch({ paths: ['app/a', 'app/b', 'app/c'] })));
  const passed = answers.filter(({ status }) => status === 200).length;
  assert.is(passed, 4);
  assert.is(await reads(), 50 - 3 * passed);
});

test('a batch of metadata takes one of its own and no read', async () => {
  const ask = () => house.ask('POST', '/v1/secrets/batch:metadata', { token, body: { paths: ['app/a', 'app/b'] } });
  const first = await ask();
  assert.is(first.status, 200, first.text);
  assert.equal(shown(first.headers), ['2', '1']);
  await ask();
  const refused = await ask();
  assert.is(refused.status, 429);
  assert.equal(refused.body.error.details, { category: 'BATCH_METADATA' });
  assert.is(await reads(), 50);
});

test('a ceiling of the tenant holds for batches of all its callers, and is named as such', async () => {
  const capped = await startHouse({
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_TENANT_SECRETS_READ: '1/min:5',
  });
  try {
    await capped.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
    for (const name of ['a', 'b', 'c']) await capped.ask('PUT', `/v1/secrets/app/${name}`, { body: { data: {} } });
    const three = { body: { paths: ['app/a', 'app/b', 'app/c'] } };
    assert.is((await capped.ask('POST', '/v1/secrets/batch', three)).status, 200);
    const bob = capped.token({ sub: 'usr_bob' });
    const refused = await capped.ask('POST', '/v1/secrets/batch', { ...three, token: bob });
    assert.is(refused.status, 429);
    assert.equal(refused.body.error.details, { category: 'SECRETS_READ', ceiling: 'tenant' });
    assert.equal(shown(refused.headers), ['5', '2']);
    assert.match(refused.body.error.message, /Your tenant as a whole/);
    const left = await capped.ask('GET', '/v1/secrets/app/a', { token: bob });
    assert.equal(shown(left.headers), ['1000', '999'], 'his own bucket got everything back');
  } finally {
    await capped.stop();
  }
});

test.run();
