import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { NotStrictJson, parseStrictJson } from '../../src/lib/strict-json.ts';
import { suite } from '../support/suite.ts';

const test = suite('strict JSON');

test('it reads what JSON.parse reads, but for ambiguous documents', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true }), (object) => {
      const text = JSON.stringify(object);
      assert.equal(JSON.stringify(parseStrictJson(bytes(text), 16)), JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const member = `${JSON.stringify(name)}:1`;
      assert.throws(
        () => parseStrictJson(bytes(`{${member},"between":{},${member}}`), 16),
        (e: Error) => e instanceof NotStrictJson,
      );
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        parseStrictJson(noise, 16);
      } catch (error) {
        assert.instance(error, NotStrictJson);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('each problem has its name', () => {
  const problemOf = (text: string | Uint8Array) => {
    try {
      parseStrictJson(typeof text === 'string' ? new TextEncoder().encode(text) : text, 3);
      return null;
    } catch (error) {
      return error instanceof NotStrictJson ? error.problem : error;
    }
  };
  assert.is(problemOf('[[[1]]]'), null);
  assert.is(problemOf('[[[[1]]]]'), 'too_deep');
  assert.is(problemOf('['.repeat(100_000)), 'too_deep');
  assert.is(problemOf('"[[[[[\\"[[[["'), null);
  assert.is(problemOf('{"a":1,"\\u0061":2}'), 'repeated_member');
  assert.is(problemOf('[{"a":1},{"a":2}]'), null);
  assert.is(problemOf('{"a":'), 'not_json');
  assert.is(problemOf('\ufeff{}'), 'not_json');
  assert.is(problemOf(Uint8Array.of(0x22, 0xff, 0x22)), 'not_utf8');
});

test.run();
