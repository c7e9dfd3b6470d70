import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { Secret } from '../../src/lib/secret.ts';
import { suite } from '../support/suite.ts';

const test = suite('canonical JSON');

/** The same value with its members in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, shuffled(member)]),
  );
}

test('does not depend on the order of members, and says the same as JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.is(canonicalJson(shuffled(value)), text);
      assert.equal(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.is(canonicalJson(JSON.parse(text)), text);
    }),
  );
});

test('tells different values apart', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const same = (() => {
        try {
          assert.equal(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
          return true;
        } catch {
          return false;
        }
      })();
      assert.is(canonicalJson(a) === canonicalJson(b), same);
    }),
  );
});

test('sorts by code unit, without white space', () => {
  assert.is(
    canonicalJson({ b: 1, a: [1, { d: null, c: 'é' }], '\u{1F511}': 0, '\ufffd': 0 }),
    '{"a":[1,{"c":"é","d":null}],"b":1,"\u{1F511}":0,"\ufffd":0}',
  );
  assert.is(canonicalJson(JSON.parse('{"__proto__":1,"constructor":2}')), '{"__proto__":1,"constructor":2}');
});

test('writes what JSON would write of what is not plain', () => {
  for (const value of [
    { at: new Date(0) },
    { secret: new Secret('hunter2') },
    [undefined, 1],
    { a: undefined },
    Number.NaN,
    -0,
    new URL('https://example.test'),
    undefined,
  ]) {
    assert.is(canonicalJson(value), JSON.stringify(value) ?? 'null');
  }
});

test.run();
