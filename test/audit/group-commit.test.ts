import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { GroupCommit } from '../../src/audit/group-commit.ts';
import { suite } from '../support/suite.ts';

const test = suite('commits of many callers together');

test('keep the order, miss nobody, and are never larger than allowed unless one alone is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 60 }), async (weights) => {
      const batches: number[][] = [];
      const group = new GroupCommit<{ readonly at: number; readonly weight: number }>(
        async (items) => void batches.push(items.map(({ at }) => at)),
        { maxBatch: 10, weightOf: ({ weight }) => weight, concernsOne: () => false },
      );
      await Promise.all(weights.map((weight, at) => group.add({ at, weight })));
      assert.equal(
        batches.flat(),
        weights.map((_, at) => at),
      );
      for (const batch of batches) {
        const weight = batch.reduce((sum, at) => sum + (weights[at] ?? 0), 0);
        assert.ok(weight <= 10 || batch.length === 1, `${weight} in ${batch.length}`);
      }
    }),
  );
});

test('count each item as one unless told', async () => {
  const sizes: number[] = [];
  const group = new GroupCommit<number>(async (items) => void sizes.push(items.length), {
    maxBatch: 4,
    concernsOne: () => false,
  });
  await Promise.all(Array.from({ length: 10 }, (_, n) => group.add(n)));
  assert.equal(sizes, [4, 4, 2]);
});

test.run();
