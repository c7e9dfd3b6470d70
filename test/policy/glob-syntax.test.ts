import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { MAX_GLOB_LENGTH, parseGlob } from '../../src/policy/glob.ts';
import { suite } from '../support/suite.ts';

const test = suite('the syntax of path patterns');

function refusal(text: string): string {
  try {
    parseGlob(text);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'invalid_glob') return error.message;
    throw error;
  }
  return 'accepted';
}

const MALFORMED: readonly (readonly [string, RegExp])[] = [
  ['', /empty/],
  ['/', /begins or ends/],
  ['/app', /begins or ends/],
  ['app/', /begins or ends/],
  ['app//db', /Segment 2 is empty/],
  ['a**', /Segment 1: "\*\*" must stand alone/],
  ['app/**b/c', /Segment 2: "\*\*" must stand alone/],
  ['***', /must stand alone/],
  ['**/**', /Segment 2: "\*\*" after "\*\*"/],
  ['a/**/**/b', /Segment 3: "\*\*" after "\*\*"/],
  ['app/d b', /Segment 2 has a character/],
  ['app/%2e', /Segment 2 has a character/],
  ['app/[ab]', /Segment 2 has a character/],
  ['app\\db', /Segment 1 has a character/],
  ['app/\0', /Segment 2 has a character/],
  ['app/é', /Segment 2 has a character/],
  ['home/{{identity.name}}', /Segment 2: the templates are/],
  ['home/{{identity.id}}', /Segment 2: the templates are/],
  ['home/{{ identity.key }}', /without spaces/],
  ['home/x-{{identity.key}}', /alone in its segment/],
  ['home/{{identity.key}}*', /alone in its segment/],
  ['home/{identity.key}', /the templates are/],
  ['home/{{toString}}', /the templates are/],
  ['a'.repeat(MAX_GLOB_LENGTH + 1), /longer than 1024/],
];

for (const [text, expected] of MALFORMED) {
  test(`${JSON.stringify(text.slice(0, 30))} is malformed, and the message says where`, () => {
    assert.match(refusal(text), expected);
  });
}

const IMPOSSIBLE: readonly (readonly [string, RegExp])[] = [
  ['App/db', /upper-case/],
  ['app/db.prod', /upper-case letters nor "\."/],
  ['app/A*', /upper-case/],
  ['.', /nor "\."/],
  ['..', /nor "\."/],
  ['a/b/c/d/e/f/g/h/i/j/k', /at most 10 segments/],
  ['a/b/c/d/e/f/g/h/i/j/**', /at most 10 segments/],
  ['**/b/c/d/e/f/g/h/i/j/k', /at most 10 segments/],
  ['a'.repeat(513), /at most 512 characters/],
  [`*${'a'.repeat(513)}`, /at most 512 characters/],
  [`${'a'.repeat(256)}/${'?'.repeat(256)}`, /at most 512 characters/],
];

for (const [text, expected] of IMPOSSIBLE) {
  test(`${JSON.stringify(text.slice(0, 30))} is well-formed and can match no path`, () => {
    assert.match(parseGlob(text).impossible ?? 'possible', expected);
  });
}

for (const text of [
  '**',
  '*',
  '?',
  '**/p',
  'p/**',
  '**/p/**',
  'a/**/b',
  'a*b?c',
  '{{identity.key}}',
  'home/{{tenant.id}}/**',
  'a/b/c/d/e/f/g/h/i/j',
  'a/b/c/d/e/f/g/h/i/**/j',
  'a'.repeat(512),
  '__proto__/constructor',
]) {
  test(`${JSON.stringify(text.slice(0, 30))} is a good pattern`, () => {
    const glob = parseGlob(text);
    assert.is(glob.text, text);
    assert.is(glob.impossible, null);
  });
}

test('patterns that mean the same are read the same', () => {
  assert.equal(parseGlob('**/*').steps, parseGlob('*/**').steps);
  assert.equal(parseGlob('a/**/*').steps, parseGlob('a/**').steps);
});

test.run();
