import * as fc from 'fast-check';
import Type, { type TSchema } from 'typebox';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { StoredName, StoredText } from '../../src/contract/schemas.ts';
import { compileCheck } from '../../src/http/validation.ts';
import { table } from './house.ts';

const CANARY = 'CANARYVALUE';

/** `details.fields` of the refusal, or null when the value passes. */
function fieldsOf(schema: TSchema, value: unknown): Record<string, string> | null {
  try {
    compileCheck(schema)(value, 'body');
    return null;
  } catch (error) {
    assert.ok(error instanceof ApiError && error.code === 'validation_error');
    assert.not.match(error.message, CANARY);
    return error.details?.fields as Record<string, string>;
  }
}

const Example = Type.Object(
  {
    name: Type.String({ minLength: 2, maxLength: 5, pattern: '^[a-z]+$' }),
    kind: Type.Optional(Type.Enum(['one', 'two'])),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 9 })),
    tags: Type.Optional(Type.Array(StoredText(1, 8), { maxItems: 2, uniqueItems: true })),
    inner: Type.Optional(Type.Object({ flag: Type.Boolean() }, { additionalProperties: false })),
    free: Type.Optional(Type.Record(StoredName(4), Type.Unknown(), { additionalProperties: false, maxProperties: 3 })),
    either: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
);

test('a pattern is told in the words of its schema, where it has some', () => {
  const page = Type.Object({ limit: Type.String({ pattern: '^[1-9]$', description: '1 to 9' }) });
  assert.equal(fieldsOf(page, { limit: CANARY }), { limit: 'must be: 1 to 9' });
  assert.equal(fieldsOf(Type.Object({ inner: page }), { inner: { limit: CANARY } }), {
    'inner.limit': 'must be: 1 to 9',
  });
  assert.equal(fieldsOf(Example, { name: 'ABC' }), { name: 'must match pattern "^[a-z]+$"' });
});

test('what is right passes', () => {
  const all = {
    name: 'abc',
    kind: 'one',
    count: 3,
    tags: ['a', 'b'],
    inner: { flag: true },
    free: { a: [1] },
    either: null,
  };
  assert.is(fieldsOf(Example, { name: 'abc' }), null);
  assert.is(fieldsOf(Example, all), null);
});

test('each field that is wrong is named with its rule', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{}, 'name'],
    [{ name: 'A' }, 'name'],
    [{ name: 'abcdefgh' }, 'name'],
    [{ name: 'abc', kind: 'three' }, 'kind'],
    [{ name: 'abc', count: 10 }, 'count'],
    [{ name: 'abc', count: '3' }, 'count'],
    [{ name: 'abc', tags: ['a', 'a'] }, 'tags'],
    [{ name: 'abc', tags: ['a', 'toolongtext'] }, 'tags.1'],
    [{ name: 'abc', inner: {} }, 'inner.flag'],
    [{ name: 'abc', inner: { flag: true, x: 1 } }, 'inner.x'],
    [{ name: 'abc', free: { toolong: 1 } }, 'free.toolong'],
    [{ name: 'abc', free: { a: 1, b: 1, c: 1, d: 1 } }, 'free'],
    [{ name: 'abc', other: 1 }, 'other'],
    [{ name: 'abc', 'with/slash': 1 }, 'with/slash'],
    [{ name: 'abc', 'with~tilde': 1 }, 'with~tilde'],
    [JSON.parse('{"name":"abc","__proto__":1}'), '__proto__'],
    [null, 'body'],
    ['text', 'body'],
  ];
  for (const [value, field] of cases) {
    const fields = fieldsOf(Example, value);
    assert.ok(fields !== null && Object.hasOwn(fields, field), `${JSON.stringify(value)} -> ${JSON.stringify(fields)}`);
  }
});

test('a great many mistakes are told in few words', () => {
  const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`x${n}`, 1]));
  const fields = fieldsOf(Example, { name: 'abc', ...many });
  const names = Object.keys(fields ?? {});
  assert.ok(names.length >= 5 && names.length <= 20, `${names.length}`);
  for (const name of names) assert.is(fields?.[name], 'unknown field');
});

test('text that cannot be stored is refused, every other text is taken', () => {
  const stored = Type.Object({ text: StoredText(0, 50) });
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\0', '\ud800', '\udc00', '\u{1f511}', '\n'), maxLength: 9 }),
      (text) => {
        const storable = text.isWellFormed() && !text.includes('\0');
        assert.is(fieldsOf(stored, { text }) === null, storable, JSON.stringify(text));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('no refusal of any route repeats a value', () => {
  const word = fc.constantFrom(CANARY, `${CANARY}\0`, `${CANARY}/~`, CANARY.repeat(100));
  const { tree: value } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      word,
      fc.constant(null),
      fc.integer(),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'data',
          'name',
          'rules',
          'cas',
          'metadata',
          'options',
          'tags',
          'path_pattern',
          'permissions',
          'x',
          '__proto__',
        ),
        tie('tree'),
        { maxKeys: 4 },
      ),
    ),
  }));
  const schemas = table().flatMap((route) =>
    route.effect === 'public' ? [] : [route.query, ...(route.body === null ? [] : [route.body])],
  );
  const checks = schemas.map(compileCheck);
  fc.assert(
    fc.property(value, (sent) => {
      for (const check of checks) {
        try {
          check(sent, 'body');
        } catch (error) {
          assert.ok(error instanceof ApiError);
          assert.not.match(JSON.stringify(error.details) + error.message, CANARY);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('an array that is far too long is refused at once, whatever it is full of', () => {
  const start = performance.now();
  for (const tags of [Array(200_000).fill('a'), Array.from({ length: 200_000 }, (_, n) => `t${n}`)]) {
    assert.equal(fieldsOf(Example, { name: 'abc', tags }), { tags: 'must not have more than 2 items' });
  }
  assert.ok(performance.now() - start < 500);
  const Nested = Type.Object({
    rules: Type.Array(Type.Object({ 'a/b': Type.Union([Type.Array(Type.String(), { maxItems: 1 }), Type.Null()]) })),
  });
  assert.is(fieldsOf(Nested, { rules: [{ 'a/b': ['x'] }, { 'a/b': null }] }), null);
  assert.equal(fieldsOf(Nested, { rules: [{ 'a/b': ['x'] }, { 'a/b': ['x', 'y'] }] }), {
    'rules.1.a/b': 'must not have more than 1 items',
  });
});

test('every array of a body whose items differ says how many there may be', () => {
  const lacking: string[] = [];
  const look = (schema: unknown, at: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    if ('uniqueItems' in schema && !('maxItems' in schema)) lacking.push(at);
    for (const [name, member] of Object.entries(schema)) look(member, `${at}/${name}`);
  };
  for (const route of table()) if (route.effect !== 'public') look(route.body, `${route.method} ${route.path}`);
  assert.equal(lacking, []);
});

test.run();
