import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Rate } from '../../src/ratelimit/buckets.ts';
import { suite } from '../support/suite.ts';
import { type Harness, memoryHarness, redisHarness, type Singly, singly } from './bucket-harness.ts';
import { ReferenceBucket } from './reference-bucket.ts';

const MINUTE = 60_000;
/** A token a minute: what the test itself takes is far below one. */
const SLOW: Rate = { perMinute: 1, burst: 5 };

const KINDS: Record<string, () => Promise<Harness>> = { 'in process': memoryHarness, 'in Redis': redisHarness };
for (const [kind, open] of Object.entries(KINDS)) {
  const test = suite(`a bucket ${kind}`);
  let harness: Harness;
  let store: Singly;
  let key: string;

  test.before(async () => {
    harness = await open();
    store = singly(harness.store);
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

  test('takes from several buckets together or from none', async () => {
    const draw = (n: number, other: number) => [
      { key, rate: SLOW, n },
      { key: `${key}x`, rate: { perMinute: 2, burst: 8 }, n: other },
    ];
    const both = await harness.store.take(draw(1, 6));
    assert.equal(
      both.map(({ allowed, remaining, limit }) => ({ allowed, remaining, limit })),
      [
        { allowed: true, remaining: 4, limit: 5 },
        { allowed: true, remaining: 2, limit: 8 },
      ],
    );
    for (const how of ['take', 'peek'] as const) {
      const [one, other] = await harness.store[how](draw(1, 3));
      assert.equal([one?.allowed, one?.remaining, one?.retryAfterMs], [true, 4, 0], 'held enough, and kept it');
      assert.equal([other?.allowed, other?.remaining], [false, 2]);
      within(other?.retryAfterMs ?? 0, MINUTE / 2);
    }
    assert.ok((await harness.store.peek(draw(4, 2))).every(({ allowed }) => allowed));
    await harness.store.giveBack(draw(1, 5));
    assert.equal(
      (await harness.store.peek(draw(0, 0))).map(({ remaining }) => remaining),
      [5, 7],
    );
  });

  test('several buckets behave as slow and exact ones do, over random sequences', async () => {
    const draws = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9 }));
    const step = fc.tuple(fc.constantFrom('take', 'take', 'peek', 'giveBack', 'wait'), draws);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const rates: Rate[] = [
          { perMinute: 1, burst: 3 },
          { perMinute: 2, burst: 10 },
        ];
        const keys = rates.map(() => `sv:{test}:${randomUUID()}`);
        const references = rates.map((rate) => new ReferenceBucket(rate));
        for (const [what, [one, other]] of steps) {
          const counts = [one, other];
          const asked = rates.map((rate, index) => ({ key: keys[index]!, rate, n: counts[index]! }));
          if (what === 'wait') {
            for (const reference of references) reference.wait(one * MINUTE);
            await harness.advance(keys, one * MINUTE);
          } else if (what === 'giveBack') {
            references.forEach((reference, index) => {
              reference.giveBack(counts[index]!);
            });
            await harness.store.giveBack(asked);
          } else {
            const taken = await harness.store[what as 'take' | 'peek'](asked);
            const held = references.map((reference, index) => reference.holds(counts[index]!));
            assert.equal(
              taken.map(({ allowed }) => allowed),
              held,
            );
            const taking = what === 'take' && held.every(Boolean);
            references.forEach((reference, index) => {
              const expected = reference.take(taking ? counts[index]! : 0);
              assert.is(taken[index]?.remaining, expected.remaining);
            });
          }
        }
      }),
      { numRuns: 60 },
    );
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
