import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { mergePatch } from '../../src/secrets/merge-patch.ts';
import { suite } from '../support/suite.ts';

const test = suite('JSON merge patch');

/** RFC 7396, appendix A, those whose patch is an object. */
const CASES: readonly (readonly [string, string, string])[] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '{"a":"b"}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
];

test('does what the RFC shows', () => {
  for (const [target, patch, result] of CASES) {
    assert.is(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch))), result, `${target} ${patch}`);
  }
});

test('a member may have any name', () => {
  const merged = mergePatch(JSON.parse('{"__proto__":{"a":1},"constructor":1}'), JSON.parse('{"__proto__":{"b":2}}'));
  assert.is(JSON.stringify(merged), '{"__proto__":{"a":1,"b":2},"constructor":1}');
  assert.is(Object.getPrototypeOf(merged), Object.prototype);
  assert.is(({} as Record<string, unknown>).b, undefined);
  assert.is(JSON.stringify(mergePatch({}, JSON.parse('{"__proto__":null,"toString":null}'))), '{}');
});

/** The RFC's own words in pseudo-code, without our shortcuts. */
function reference(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result = new Map<string, unknown>(isObject ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, reference(result.get(name), value));
  }
  return Object.fromEntries(result);
}

test('is the RFC for any two values, changes neither, and done twice is done once', () => {
  const object = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(object, object, (target, patch) => {
      const before = JSON.stringify([target, patch]);
      const merged = mergePatch(target, patch);
      assert.is(JSON.stringify(merged), JSON.stringify(reference(target, patch)));
      assert.is(JSON.stringify([target, patch]), before);
      assert.is(JSON.stringify(mergePatch(merged, patch)), JSON.stringify(merged));
    }),
  );
});

test.run();
