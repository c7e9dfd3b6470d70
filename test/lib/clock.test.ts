import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { isoMicros, isoMillis, systemClock } from '../../src/lib/clock.ts';
import { suite } from '../support/suite.ts';

const test = suite('the clock');
const realNow = Date.now;
test.afterEach(() => {
  Date.now = realNow;
});

test('counts microseconds that strictly increase, however fast it is asked', () => {
  const clock = systemClock();
  let last = clock.nowMicros();
  for (let n = 0; n < 200_000; n++) {
    const next = clock.nowMicros();
    assert.ok(next > last);
    last = next;
  }
  assert.ok(Math.abs(last / 1000 - realNow()) < 1_000);
});

test('goes on increasing when the system clock is set back, and follows it when it is set forward', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { maxLength: 20 }), (steps) => {
      const clock = systemClock();
      let offset = 0;
      let furthest = 0;
      let last = 0;
      for (const step of steps) {
        offset += step;
        furthest = Math.max(furthest, offset);
        const wall = realNow() + offset;
        Date.now = () => wall;
        const next = clock.nowMicros();
        assert.ok(Number.isSafeInteger(next) && next > last);
        assert.ok(next >= wall * 1000 - 3_000, 'never behind the system clock');
        assert.is(clock.nowMs(), wall);
        last = next;
      }
      Date.now = realNow;
    }),
  );
});

test('writes times as the API shows them', () => {
  assert.is(isoMillis(0), '1970-01-01T00:00:00.000Z');
  assert.is(isoMicros(1_000_007), '1970-01-01T00:00:01.000007Z');
  // Up to the year 2255, where a double holds microseconds exactly.
  const lastMs = Math.floor(Number.MAX_SAFE_INTEGER / 1000) - 1;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: lastMs }), fc.integer({ min: 0, max: 999 }), (ms, micros) => {
      const text = isoMicros(ms * 1000 + micros);
      assert.is(text, isoMillis(ms).replace('Z', `${String(micros).padStart(3, '0')}Z`));
    }),
  );
});

test.run();
