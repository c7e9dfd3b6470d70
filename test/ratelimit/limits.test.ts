import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { TenantId } from '../../src/contract/names.ts';
import { type Subject, subjectKey } from '../../src/contract/principal.ts';
import { RATE_CATEGORIES, type RateCategory } from '../../src/contract/route.ts';
import type { Rate } from '../../src/ratelimit/buckets.ts';
import {
  bucketKey,
  createRateLimiter,
  type Limited,
  type Outcome,
  type RateLimiter,
} from '../../src/ratelimit/service.ts';
import { logLines } from '../redis/log-lines.ts';
import { suite } from '../support/suite.ts';

const test = suite('rate limits');
const tenantId = 'acme' as TenantId;
const alice = { tenantId, subjectKey: 'alice' };
const bob = { tenantId, subjectKey: 'bob' };

function rates(given: Partial<Record<RateCategory, Rate>>): Record<RateCategory, 'off' | Rate> {
  const off = Object.fromEntries(RATE_CATEGORIES.map((category) => [category, 'off'])) as Record<RateCategory, 'off'>;
  return { ...off, ...given };
}

type Given = Partial<Record<RateCategory, Rate>>;

function limiter(given: Given, now = Date.now, ceilings: Given = {}): RateLimiter {
  return createRateLimiter({
    store: null,
    rates: rates(given),
    ceilings: rates(ceilings),
    log: logLines().log,
    now,
  });
}

function limited(result: Outcome): Limited {
  if ('limited' in result) throw new Error('the category is off');
  return result;
}

test('a category without a limit has no headers', async () => {
  assert.equal(await limiter({}).take(alice, 'LIST'), { limited: 'off' });
});

test('the headers of a first, a last and a refused request', async () => {
  const limits = limiter({ LIST: { perMinute: 60, burst: 2 } }, () => 1_000_000_500);
  const first = await limits.take(alice, 'LIST');
  assert.equal(first, {
    allowed: true,
    category: 'LIST',
    ceiling: false,
    limit: 2,
    remaining: 1,
    resetSeconds: 1_000_002,
    retryAfterSeconds: 0,
  });
  await sleep(5);
  const last = limited(await limits.take(alice, 'LIST'));
  assert.is(last.remaining, 0);
  assert.is(last.resetSeconds, 1_000_003);
  const refused = limited(await limits.take(alice, 'LIST'));
  assert.is(refused.allowed, false);
  assert.is(refused.remaining, 0);
  assert.is(refused.retryAfterSeconds, 1);
});

test('Retry-After is rounded up and never 0', async () => {
  const limits = limiter({ LIST: { perMinute: 40, burst: 2 }, AUTH: { perMinute: 60_000, burst: 1 } });
  await limits.take(alice, 'LIST', 2);
  assert.is(limited(await limits.take(alice, 'LIST', 1)).retryAfterSeconds, 2);
  assert.is(limited(await limits.take(alice, 'AUTH', 5)).retryAfterSeconds, 1);
});

test('each subject and each category has its own bucket', async () => {
  const one: Rate = { perMinute: 1, burst: 1 };
  const limits = limiter({ LIST: one, POLICY: one });
  for (const owner of [alice, bob, { ...alice, tenantId: 'other' as TenantId }]) {
    assert.is(limited(await limits.take(owner, 'LIST')).allowed, true);
    assert.is(limited(await limits.take(owner, 'POLICY')).allowed, true);
    assert.is(limited(await limits.take(owner, 'LIST')).allowed, false);
  }
});

test('what a batch did not use is given back', async () => {
  const limits = limiter({ SECRETS_READ: { perMinute: 1, burst: 10 } });
  await limits.take(alice, 'SECRETS_READ', 10);
  await limits.giveBack(alice, 'SECRETS_READ', 4);
  assert.is(limited(await limits.take(alice, 'SECRETS_READ', 0)).remaining, 4);
  await limits.giveBack(alice, 'LIST', 4);
});

test('tokens of two categories are taken together or not at all, and the short one is named', async () => {
  const limits = limiter({ BATCH_READ: { perMinute: 1, burst: 3 }, SECRETS_READ: { perMinute: 60, burst: 10 } });
  const batch = (n: number) => [
    { category: 'BATCH_READ' as const, n: 1 },
    { category: 'SECRETS_READ' as const, n },
  ];
  const left = async () =>
    Promise.all(
      (['BATCH_READ', 'SECRETS_READ'] as const).map(
        async (each) => limited(await limits.take(alice, each, 0)).remaining,
      ),
    );
  const first = limited(await limits.takeTogether(alice, batch(8)));
  assert.equal([first.category, first.remaining, first.limit], ['BATCH_READ', 2, 3], 'the first speaks');
  const short = limited(await limits.takeTogether(alice, batch(3)));
  assert.equal([short.allowed, short.category, short.remaining], [false, 'SECRETS_READ', 2]);
  assert.is(short.retryAfterSeconds, 1);
  assert.equal(await left(), [2, 2], 'nothing of either');
  assert.is(limited(await limits.peek(alice, batch(2))).allowed, true);
  assert.is(limited(await limits.peek(alice, batch(3))).category, 'SECRETS_READ');
  assert.equal(await left(), [2, 2], 'looking takes nothing');
  await limits.takeTogether(alice, batch(1));
  await limits.takeTogether(alice, batch(1));
  const both = limited(await limits.takeTogether(alice, batch(5)));
  assert.equal([both.category, both.retryAfterSeconds], ['BATCH_READ', 60], 'the one that is short for longest');
  const onlyReads = limiter({ SECRETS_READ: { perMinute: 60, burst: 10 } });
  assert.is(limited(await onlyReads.takeTogether(alice, batch(4))).category, 'SECRETS_READ', 'the other one is off');
  assert.equal(await limiter({}).takeTogether(alice, batch(4)), { limited: 'off' });
});

test('a ceiling holds for all subjects of a tenant, and takes nothing from the one that it refuses', async () => {
  const own: Rate = { perMinute: 1, burst: 3 };
  const limits = limiter({ LIST: own }, Date.now, { LIST: { perMinute: 1, burst: 4 } });
  for (let n = 0; n < 3; n++) assert.is(limited(await limits.take(alice, 'LIST')).allowed, true);
  const over = limited(await limits.take(alice, 'LIST'));
  assert.equal([over.allowed, over.ceiling, over.limit], [false, false, 3], 'her own limit comes first');
  const last = limited(await limits.take(bob, 'LIST'));
  assert.equal([last.allowed, last.ceiling, last.remaining], [true, false, 2], 'alice has taken three of the four');
  const refused = limited(await limits.take(bob, 'LIST'));
  assert.equal([refused.allowed, refused.ceiling, refused.limit, refused.category], [false, true, 4, 'LIST']);
  assert.is(limited(await limits.take(bob, 'LIST', 0)).remaining, 2, 'he got his own back');
  assert.is(limited(await limits.take({ ...bob, tenantId: 'other' as TenantId }, 'LIST')).allowed, true);
  await limits.giveBack(alice, 'LIST', 1);
  assert.is(limited(await limits.take(bob, 'LIST')).allowed, true, 'what is given back, the tenant gets back too');
});

test('a ceiling works where the category has no limit of its own', async () => {
  const limits = limiter({}, Date.now, { LIST: { perMinute: 1, burst: 1 } });
  assert.is(limited(await limits.take(alice, 'LIST')).ceiling, true);
  assert.is(limited(await limits.take(bob, 'LIST')).allowed, false);
});

test('a number of tokens that is none is a defect, not a way around the limit', async () => {
  const limits = limiter({ LIST: { perMinute: 1, burst: 1 } });
  for (const n of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const work of [() => limits.take(alice, 'LIST', n), () => limits.giveBack(alice, 'LIST', n)]) {
      const error = await work().then(
        () => null,
        (reason: unknown) => reason,
      );
      assert.instance(error, RangeError);
    }
  }
});

test('no two subjects share a key, whatever their names are made of', () => {
  const part = fc.string({
    unit: fc.constantFrom('{', '}', ':', '1', 'a', ' ', '\0', '\ud800', '\udc00', 'é', 'e\u0301'),
  });
  const subject: fc.Arbitrary<Subject> = fc.record({
    kind: fc.constantFrom('user', 'service_account'),
    issuer: part,
    tenantId: fc.constantFrom('acme', 'acme.a', 'acme-1') as fc.Arbitrary<TenantId>,
    id: part,
  });
  const category = fc.constantFrom(...RATE_CATEGORIES);
  const same = (a: Subject, b: Subject) =>
    a.kind === b.kind && a.issuer === b.issuer && a.tenantId === b.tenantId && a.id === b.id;
  const keyOf = (who: Subject, what: RateCategory) =>
    bucketKey({ tenantId: who.tenantId, subjectKey: subjectKey(who) }, what);
  fc.assert(
    fc.property(subject, subject, category, category, (a, b, one, other) => {
      assert.is(keyOf(a, one) === keyOf(b, other), same(a, b) && one === other);
      assert.match(keyOf(a, one), /^sv:\{[A-Za-z0-9._-]+:[A-Za-z0-9_-]{43}\}:[A-Z_]+$/);
    }),
    { numRuns: 2_000 },
  );
});

test('subjects that differ only in half a character are two', () => {
  const key = (id: string) => bucketKey({ tenantId, subjectKey: id }, 'LIST');
  assert.is.not(key('\ud800'), key('\ud801'));
  assert.is.not(key('\ud800'), key('\ufffd'));
});

test.run();
