import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { BucketStore, Rate } from '../../src/ratelimit/buckets.ts';
import { suite } from '../support/suite.ts';
import { type Harness, memoryHarness, redisHarness } from './bucket-harness.ts';
import { ReferenceBucket } from './reference-bucket.ts';

const MINUTE = 60_000;
/** A token a minute: what the test itself takes is far below one. */
const SLOW: Rate = { perMinute: 1, burst: 5 };

const KINDS: Record<string, () => Promise<Harness>> = { 'in process': memoryHarness, 'in Redis': redisHarness };
for (const [kind, open] of Object.entries(KINDS)) {
  const test = suite(`a bucket ${kind}`);
  let harness: Harness;
  let store: BucketStore;
  let key: string;

  test.before(async () => {
    harness = await open();
    store = harness.store;
  });
  test.beforeEach(() => {
    key = `sv:{test}:${randomUUID()}`;
  });
  test.after(() => harness.close());

  test('admits a burst and not one more', async () => {
    for (let left = 4; left >= 0; left--) {
      const taken = await store.take(key, SLOW, 1);
      assert.is(taken.allowed, true);
      assert.is(taken.limit, 5);
      assert.is(taken.remaining, left);
      assert.is(taken.retryAfterMs, 0);
      within(taken.resetMs, (5 - left) * MINUTE);
    }
    const refused = await store.take(key, SLOW, 1);
    assert.is(refused.allowed, false);
    assert.is(refused.remaining, 0);
    within(refused.retryAfterMs, MINUTE);
    within(refused.resetMs, 5 * MINUTE);
  });

  test('is refilled continuously, and never above its burst', async () => {
    await store.take(key, SLOW, 5);
    await harness.advance(key, MINUTE / 2);
    const half = await store.take(key, SLOW, 1);
    assert.is(half.allowed, false);
    within(half.retryAfterMs, MINUTE / 2);
    await harness.advance(key, MINUTE / 2);
    assert.is((await store.take(key, SLOW, 1)).allowed, true);
    assert.is((await store.take(key, SLOW, 1)).allowed, false);
    await harness.advance(key, 1_000 * MINUTE);
    assert.is((await store.take(key, SLOW, 1)).remaining, 4);
  });

  test('passes exactly when Retry-After has gone by', async () => {
    const rate: Rate = { perMinute: 7, burst: 3 };
    await store.take(key, rate, 3);
    const { retryAfterMs } = await store.take(key, rate, 2);
    await harness.advance(key, retryAfterMs);
    assert.is((await store.take(key, rate, 2)).allowed, true);
  });

  test('takes several tokens together or none', async () => {
    await store.take(key, SLOW, 3);
    const refused = await store.take(key, SLOW, 3);
    assert.is(refused.allowed, false);
    assert.is(refused.remaining, 2);
    assert.is((await store.take(key, SLOW, 2)).allowed, true);
  });

  test('a refusal takes nothing, however often it is repeated', async () => {
    await store.take(key, SLOW, 5);
    for (let i = 0; i < 50; i++) await store.take(key, SLOW, 1);
    await harness.advance(key, MINUTE);
    assert.is((await store.take(key, SLOW, 1)).allowed, true);
  });

  test('never gives more than it holds, and says when it is full', async () => {
    await store.take(key, SLOW, 1);
    const refused = await store.take(key, SLOW, 6);
    assert.is(refused.allowed, false);
    assert.is(refused.remaining, 4);
    within(refused.retryAfterMs, MINUTE);
  });

  test('taking nothing only looks', async () => {
    assert.equal(await store.take(key, SLOW, 0), {
      allowed: true,
      limit: 5,
      remaining: 5,
      resetMs: 0,
      retryAfterMs: 0,
    });
    await store.take(key, SLOW, 5);
    assert.is((await store.take(key, SLOW, 0)).allowed, true);
  });

  test('takes back what was not used, and no more than was taken', async () => {
    await store.take(key, SLOW, 5);
    await store.giveBack(key, SLOW, 3);
    assert.is((await store.take(key, SLOW, 0)).remaining, 3);
    await store.giveBack(key, SLOW, 1_000);
    assert.is((await store.take(key, SLOW, 0)).remaining, 5);
    await store.giveBack(key, SLOW, 1_000);
    assert.is((await store.take(key, SLOW, 6)).allowed, false);
  });

  test('being looked at often costs a bucket nothing', async () => {
    const rate: Rate = { perMinute: 100, burst: 3 };
    await store.take(key, rate, 3);
    for (let ms = 0; ms < 600; ms++) {
      await store.take(key, rate, 0);
      await harness.advance(key, 1);
    }
    assert.is((await store.take(key, rate, 1)).allowed, true);
  });

  test('a limit that is lowered counts at once and heals in its own time', async () => {
    await store.take(key, { perMinute: 1, burst: 1_000 }, 1_000);
    const lowered = await store.take(key, SLOW, 1);
    assert.is(lowered.allowed, false);
    within(lowered.retryAfterMs, MINUTE);
    await harness.advance(key, 5 * MINUTE);
    assert.is((await store.take(key, { perMinute: 1, burst: 1_000 }, 0)).allowed, true);
  });

  test('buckets of two keys do not know each other', async () => {
    await store.take(key, SLOW, 5);
    assert.is((await store.take(`${key}x`, SLOW, 5)).allowed, true);
  });

  test('the largest rate that can be configured counts single tokens', async () => {
    const rate: Rate = { perMinute: 1, burst: 1e9 };
    await store.take(key, rate, 1e9 - 2);
    assert.is((await store.take(key, rate, 1)).remaining, 1);
    assert.is((await store.take(key, rate, 1)).remaining, 0);
    assert.is((await store.take(key, rate, 1)).allowed, false);
    assert.is((await store.take(`${key}x`, { perMinute: 1e9, burst: 1e9 }, 1e9)).allowed, true);
  });

  test('behaves as a slow and exact bucket does, over random sequences', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('take' as const), n: fc.integer({ min: 0, max: 8 }) }),
      fc.record({ do: fc.constant('giveBack' as const), n: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ do: fc.constant('wait' as const), n: fc.integer({ min: 1, max: 7 }) }),
    );
    const burst = fc.integer({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(burst, fc.array(step, { maxLength: 25 }), async (size, steps) => {
        key = `sv:{test}:${randomUUID()}`;
        const rate: Rate = { perMinute: 1, burst: size };
        const reference = new ReferenceBucket(rate);
        for (const { do: what, n } of steps) {
          if (what === 'wait') {
            // Whole minutes, so that the time which Redis measures besides does not decide anything.
            reference.wait(n * MINUTE);
            await harness.advance(key, n * MINUTE);
          } else if (what === 'giveBack') {
            reference.giveBack(n);
            await store.giveBack(key, rate, n);
          } else {
            const expected = reference.take(n);
            const taken = await store.take(key, rate, n);
            assert.is(taken.allowed, expected.allowed);
            assert.is(taken.remaining, expected.remaining);
            within(taken.resetMs, expected.resetMs);
            within(taken.retryAfterMs, expected.retryAfterMs);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test.run();
}

/** At most `ms`, and by no more below than a slow machine needs for a test. */
function within(actual: number, ms: number): void {
  assert.ok(actual <= ms && actual >= ms - 10_000, `${actual} ms instead of ${ms}`);
}
