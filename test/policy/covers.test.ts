import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { covers, intersects } from '../../src/policy/covers.ts';
import { parseGlob } from '../../src/policy/glob.ts';
import { suite } from '../support/suite.ts';
import { NO_VALUES, path, pathIn, pattern, plainPattern, reference, VALUES } from './patterns.ts';

const test = suite('patterns within patterns');

const YES: readonly (readonly [outer: string, inner: string])[] = [
  ['**', 'a'],
  ['**', '**'],
  ['**', 'a/**/b'],
  ['a/**', 'a/b'],
  ['a/**', 'a/*/c'],
  ['a/**', 'a/b/**'],
  ['a/**', 'a/**/b'],
  ['a/*', 'a/b*'],
  ['a/*', 'a/{{identity.key}}'],
  ['**/p', 'x/**/p'],
  ['**/p', '*/p'],
  ['a/**/b', 'a/b'],
  ['a/**/b', 'a/x/**/b'],
  ['*/**', '**/*'],
  ['x*', 'x?y'],
  ['*', '?*'],
  ['?*', '*'],
  ['a*c', 'ab*c'],
  ['home/{{identity.key}}/**', 'home/ab/x'],
];
const NO: readonly (readonly [outer: string, inner: string])[] = [
  ['a/**', 'a'],
  ['a/*', 'a/**'],
  ['a/*', 'a/b/c'],
  ['**/p', 'p'],
  ['a/**/b', 'a/**'],
  ['a/?', 'a/*'],
  ['a*', 'b*'],
  ['a?', 'a*'],
  ['ab', '{{tenant.id}}'],
  ['home/{{identity.key}}/**', 'home/{{identity.key}}/**'],
  ['home/{{identity.key}}/**', 'home/other/x'],
  ['a/b/**', 'a/**/b/x'],
];

for (const [outer, inner] of YES) {
  test(`${outer} covers ${inner}`, () => assert.ok(covers(parseGlob(outer), parseGlob(inner), VALUES)));
}
for (const [outer, inner] of NO) {
  test(`${outer} does not cover ${inner}`, () => assert.not(covers(parseGlob(outer), parseGlob(inner), VALUES)));
}

test('a pattern with a template that stands for nothing covers nothing', () => {
  assert.not(covers(parseGlob('{{identity.key}}'), parseGlob('ab'), NO_VALUES));
});

test('what is covered has no path outside', () => {
  const pairs = fc
    .tuple(pattern, pattern)
    .chain(([outer, inner]) => fc.tuple(fc.constant(outer), fc.constant(inner), fc.oneof(path, pathIn(inner))));
  let covered = 0;
  fc.assert(
    fc.property(pairs, fc.constantFrom(VALUES, NO_VALUES), ([outer, inner, onPath], values) => {
      if (!covers(parseGlob(outer), parseGlob(inner), values)) return;
      covered++;
      // Whoever the inner pattern is for: its templates may stand for any segment.
      if (!reference(inner, NO_VALUES, 'anything').test(onPath)) return;
      assert.ok(reference(outer, values).test(onPath), `${outer} covers ${inner} but not ${onPath}`);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(covered > 300, `only ${covered} pairs covered: the test says little`);
});

test('a pattern covers itself, its own paths, and less than **', () => {
  const own = plainPattern.chain((text) => fc.tuple(fc.constant(text), pathIn(text)));
  fc.assert(
    fc.property(own, ([text, onPath]) => {
      assert.ok(covers(parseGlob(text), parseGlob(text), NO_VALUES), text);
      assert.ok(covers(parseGlob('**'), parseGlob(text), NO_VALUES), text);
      assert.is(covers(parseGlob(text), parseGlob(onPath), NO_VALUES), reference(text, NO_VALUES).test(onPath));
    }),
    { numRuns: 2000 },
  );
});

test('patterns that do not intersect share no path', () => {
  const pairs = fc
    .tuple(pattern, pattern)
    .chain(([a, b]) => fc.tuple(fc.constant(a), fc.constant(b), fc.oneof(pathIn(a), pathIn(b), path)));
  let apart = 0;
  fc.assert(
    fc.property(pairs, fc.constantFrom(VALUES, NO_VALUES), ([a, b, onPath], values) => {
      if (intersects(parseGlob(a), parseGlob(b), values)) return;
      apart++;
      const shared = reference(a, values, 'anything').test(onPath) && reference(b, NO_VALUES, 'anything').test(onPath);
      assert.not(shared, `${a} and ${b} share ${onPath}`);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(apart > 300, `only ${apart} pairs apart`);
});

test('patterns intersect either way round', () => {
  fc.assert(
    fc.property(plainPattern, plainPattern, (a, b) => {
      const [one, other] = [parseGlob(a), parseGlob(b)];
      assert.is(intersects(one, other, NO_VALUES), intersects(other, one, NO_VALUES), `${a} ${b}`);
    }),
    { numRuns: 2000 },
  );
});

test('comparing the longest patterns takes at most the product of their lengths', () => {
  const meter = { steps: 0 };
  covers(parseGlob(`${'*a'.repeat(250)}*`), parseGlob(`${'a?'.repeat(250)}b`), NO_VALUES, meter);
  intersects(parseGlob(`${'*a'.repeat(250)}c`), parseGlob(`${'a?*'.repeat(160)}b`), NO_VALUES, meter);
  assert.ok(meter.steps <= 2 * 502 * 502, String(meter.steps));
});

test.run();
