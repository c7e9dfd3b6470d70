import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Rate } from '../../src/ratelimit/buckets.ts';
import { MemoryBuckets } from '../../src/ratelimit/memory-buckets.ts';
import { suite } from '../support/suite.ts';
import { singly } from './bucket-harness.ts';
import { ReferenceBucket } from './reference-bucket.ts';

const test = suite('buckets in process');
const SLOW: Rate = { perMinute: 1, burst: 5 };

test('equal a slow and exact bucket to the millisecond, at any rate', async () => {
  const rate = fc.record({
    perMinute: fc.integer({ min: 1, max: 100_000 }),
    burst: fc.integer({ min: 1, max: 2_000 }),
  });
  const step = fc.tuple(
    fc.constantFrom('take', 'take', 'giveBack', 'wait'),
    fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2_500 })),
  );
  await fc.assert(
    fc.asyncProperty(rate, fc.array(step, { maxLength: 60 }), async (limits, steps) => {
      let now = 123_456.5;
      const buckets = new MemoryBuckets({ now: () => now });
      const store = singly(buckets);
      const reference = new ReferenceBucket(limits);
      for (const [what, n] of steps) {
        if (what === 'wait') {
          now += n;
          reference.wait(n);
        } else if (what === 'giveBack') {
          reference.giveBack(n);
          await store.giveBack('key', limits, n);
        } else {
          assert.equal(await store.take('key', limits, n), reference.take(n));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('strangers cannot fill the memory', async () => {
  const buckets = new MemoryBuckets({ maxBuckets: 100 });
  const store = singly(buckets);
  for (let i = 0; i < 10_000; i++) await store.take(`key ${i}`, SLOW, 1);
  assert.is(buckets.size, 100);
});

test('make room from full buckets first, then from the one longest not used', async () => {
  let now = 0;
  const buckets = new MemoryBuckets({ now: () => now, maxBuckets: 3 });
  const store = singly(buckets);
  const quick: Rate = { perMinute: 60_000, burst: 5 };
  await store.take('old', SLOW, 5);
  await store.take('soon full', quick, 5);
  await store.take('used', SLOW, 5);
  now += 1_000;
  await store.take('new', SLOW, 1);
  assert.is((await store.take('old', SLOW, 0)).remaining, 0, 'the full bucket went, not the oldest');
  await store.take('used', SLOW, 0);
  await store.take('newer', SLOW, 1);
  assert.is(buckets.size, 3);
  assert.is((await store.take('used', SLOW, 0)).remaining, 0);
  assert.is((await store.take('old', SLOW, 0)).remaining, 0);
  assert.is((await store.take('new', SLOW, 0)).remaining, 5, 'the longest not used was forgotten, which is full');
});

test('a bucket that was given back whole takes no space', async () => {
  const buckets = new MemoryBuckets();
  const store = singly(buckets);
  await store.take('key', SLOW, 3);
  await store.giveBack('key', SLOW, 3);
  assert.is(buckets.size, 0);
});

test.run();
