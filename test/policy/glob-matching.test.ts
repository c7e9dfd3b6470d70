import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { SegmentPattern } from '../../src/policy/segment-pattern.ts';
import { suite } from '../support/suite.ts';
import { matches, NO_VALUES, path, pathIn, pattern, reference, VALUES } from './patterns.ts';

const test = suite('what a path pattern matches');

// The examples of the specification, and their neighbours.
const TABLE: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ['app/db', ['app/db'], ['app', 'app/db/x', 'app/db2', 'xapp/db']],
  ['app/*', ['app/a', 'app/long-name_1'], ['app', 'app/a/b']],
  ['*', ['a', 'abc'], ['a/b']],
  ['*/db', ['a/db'], ['db', 'a/b/db']],
  ['app/db*', ['app/db', 'app/db2', 'app/db-x'], ['app/d', 'app/db/x']],
  ['app/*-prod', ['app/x-prod', 'app/-prod'], ['app/prod', 'app/x-prod2']],
  ['app/a*b*c', ['app/abc', 'app/a-b-c', 'app/abbcc'], ['app/acb', 'app/ab']],
  ['team-?/x', ['team-a/x', 'team-1/x'], ['team-/x', 'team-ab/x']],
  ['?', ['a'], ['ab', 'a/b']],
  ['?*', ['a', 'ab'], ['a/b']],
  ['p/**', ['p/a', 'p/a/b', 'p/a/b/c/d'], ['p', 'pa', 'q/a']],
  ['**/p', ['a/p', 'a/b/p', 'p/p'], ['p', 'a/p/b']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b', 'a/b/b'], ['a', 'b', 'a/b/c', 'ab']],
  ['**', ['a', 'a/b', 'a/b/c/d/e/f/g/h/i/j'], []],
  ['**/p/**', ['a/p/b', 'a/b/p/c/d'], ['p', 'a/p', 'p/a']],
  ['*/**', ['a/b', 'a/b/c'], ['a']],
  ['**/*', ['a/b', 'a/b/c'], ['a']],
  ['a/**/*/b', ['a/x/b', 'a/x/y/b'], ['a/b']],
  ['a/**/b/**/c', ['a/b/c', 'a/x/b/y/z/c', 'a/b/b/c'], ['a/c', 'a/x/c']],
  ['__proto__/x', ['__proto__/x'], ['constructor/x']],
  ['App/db', [], ['app/db']],
  ['a.b', [], ['a-b', 'axb']],
];

for (const [text, yes, no] of TABLE) {
  test(text, () => {
    for (const each of yes) assert.ok(matches(text, each), `${text} matches ${each}`);
    for (const each of no) assert.not(matches(text, each), `${text} does not match ${each}`);
  });
}

test('any pattern matches what a slow matcher, written from the specification, says', () => {
  const cases = pattern.chain((text) => fc.tuple(fc.constant(text), fc.oneof(path, pathIn(text))));
  fc.assert(
    fc.property(cases, fc.constantFrom(VALUES, NO_VALUES), ([text, onPath], values) => {
      assert.is(matches(text, onPath, values), reference(text, values).test(onPath), `${text} on ${onPath}`);
    }),
    { numRuns: 3000 },
  );
});

test('a segment of hundreds of wildcards matches like the slow matcher', () => {
  const long = fc.string({ unit: fc.constantFrom('a', 'b', '?', '*'), minLength: 20, maxLength: 200 });
  const wild = long.map((text) => text.replace(/\*+/g, '*'));
  const filled = wild.chain((text) => fc.tuple(fc.constant(text), pathIn(text)));
  fc.assert(
    fc.property(filled, ([text, segment]) => {
      assert.ok(new SegmentPattern(text).matches(segment));
      const shorter = segment.slice(1);
      if (shorter === '') return;
      assert.is(new SegmentPattern(text).matches(shorter), reference(text, NO_VALUES).test(shorter), text);
    }),
    { numRuns: 300 },
  );
});

test('a value of a template matches itself and nothing else, whatever characters it is made of (GHSA-59w7-v8rr-pr4p)', () => {
  const value = fc.string({
    unit: fc.constantFrom('a', 'b', '*', '?', '/', '.', '{', '}', '+', ',', '\\', '|'),
    minLength: 1,
  });
  fc.assert(
    fc.property(value, path, (key, onPath) => {
      const values = { 'identity.key': key, 'tenant.id': null };
      assert.is(matches('{{identity.key}}', onPath, values), onPath === key);
      assert.is(matches('home/{{identity.key}}/x', `home/${onPath}/x`, values), onPath === key && !key.includes('/'));
    }),
    { numRuns: 1000 },
  );
});

test.run();
