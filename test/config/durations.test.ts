import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_DURATION_MS, parseDuration } from '../../src/lib/durations.ts';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** Any choice of units, in order, with its sum. */
const written = fc
  .tuple(...UNITS.map(() => fc.option(fc.nat(30_000), { nil: null })))
  .filter((counts) => counts.some((count) => count !== null))
  .map((counts) => ({
    text: counts.map((count, i) => (count === null ? '' : `${count}${UNITS[i]![0]}`)).join(''),
    ms: counts.reduce<number>((sum, count, i) => sum + (count ?? 0) * UNITS[i]![1], 0),
  }));

test('the documented durations are read', () => {
  assert.is(parseDuration('90d'), 90 * 86_400_000);
  assert.is(parseDuration('48h'), 48 * 3_600_000);
  assert.is(parseDuration('15m'), 900_000);
  assert.is(parseDuration('30s'), 30_000);
  assert.is(parseDuration('1d12h'), 36 * 3_600_000);
  assert.is(parseDuration('0s'), 0);
});

test('any combination of units in order is the sum of its parts', () => {
  fc.assert(fc.property(written, ({ text, ms }) => parseDuration(text) === (ms <= MAX_DURATION_MS ? ms : null)));
});

test('anything else is refused', () => {
  for (const text of [
    '',
    ' ',
    '5',
    'd',
    '-1d',
    '+1d',
    '1.5h',
    '1e3s',
    '12h1d',
    '1h1h',
    '1d 12h',
    ' 1d',
    '1d\n',
    '1D',
    '1w',
    '1ms',
    '٣d',
    '1d0',
  ]) {
    assert.is(parseDuration(text), null, JSON.stringify(text));
  }
});

test('no text makes it throw, be negative or exceed its bound', () => {
  const near = fc.string({ unit: fc.constantFrom(...'0123456789dhms -.'), maxLength: 40 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      const ms = parseDuration(text);
      return ms === null || (Number.isSafeInteger(ms) && ms >= 0 && ms <= MAX_DURATION_MS);
    }),
    { numRuns: 1000 },
  );
});

test('units out of order or repeated are refused', () => {
  fc.assert(
    fc.property(fc.nat(99), fc.nat(99), fc.nat(3), fc.nat(3), (a, b, i, j) => {
      fc.pre(i >= j);
      return parseDuration(`${a}${UNITS[i]![0]}${b}${UNITS[j]![0]}`) === null;
    }),
  );
});

test('the longest duration is a hundred years', () => {
  assert.is(parseDuration('36500d'), MAX_DURATION_MS);
  assert.is(parseDuration('36500d1s'), null);
  assert.is(parseDuration('9999999999d'), null);
  assert.is(parseDuration(`${'9'.repeat(100_000)}d`), null);
});

test.run();
