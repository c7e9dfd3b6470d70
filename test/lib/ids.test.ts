import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { newId, ulid } from '../../src/lib/ids.ts';
import { suite } from '../support/suite.ts';

const test = suite('an id');

test('is a prefix and 26 characters that nobody mistakes for others', () => {
  for (let n = 0; n < 1_000; n++) assert.match(newId('pol'), /^pol_[0-9a-hjkmnp-tv-z]{26}$/);
});

test('is made once', () => {
  const made = new Set<string>();
  for (let n = 0; n < 100_000; n++) made.add(newId('log'));
  assert.is(made.size, 100_000);
});

test('sorts after all made before it, also within a millisecond and when the clock steps back', () => {
  const steps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: -10_000, max: 10_000 })), { maxLength: 60 });
  let now = Date.now();
  let last = ulid(now);
  fc.assert(
    fc.property(steps, (moves) => {
      for (const move of moves) {
        now = Math.max(0, now + move);
        const next = ulid(now);
        assert.ok(next > last, `${next} after ${last}`);
        assert.is(next.length, 26);
        last = next;
      }
    }),
  );
});

test('begins with its time, as the specification has it', () => {
  // A time that no earlier id of this process has reached; expected text from https://github.com/ulid/spec's alphabet.
  const ms = 2 ** 48 - 1;
  assert.is(ulid(ms).slice(0, 10), '7zzzzzzzzz');
});

test('cannot be guessed from the one before of an earlier millisecond', () => {
  // The clock of this process stands at its end by now, so a fresh one is asked.
  const tails = new Set<string>();
  for (let ms = 2 ** 48; ms < 2 ** 48 + 500; ms++) tails.add(ulid(ms).slice(10, 20));
  assert.is(tails.size, 500);
});

test.run();
