import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import {
  isPathSegment,
  parsePartnerId,
  parsePolicyId,
  parsePolicyName,
  parseSecretPath,
  parseTenantId,
  SYSTEM_TENANT,
} from '../../src/contract/names.ts';
import { newId } from '../../src/lib/ids.ts';

/** The path grammar of spec 05, letter by letter and without a regular expression. */
function isLegalPath(text: string): boolean {
  if (text.length > 512) return false;
  const segments = text.split('/');
  const legal = (segment: string) =>
    segment !== '' && [...segment].every((letter) => 'abcdefghijklmnopqrstuvwxyz0123456789-_'.includes(letter));
  return segments.length <= 10 && segments.every(legal);
}

function parsed(text: string): string | null {
  try {
    return parseSecretPath(text);
  } catch (error) {
    assert.ok(error instanceof ApiError && error.code === 'invalid_path');
    return null;
  }
}

const character = fc.constantFrom(...'ab09-_/ABZ.%;:\\~*?# \0\n\r\tä\u0430\u2024\uff0f\ud800'.split(''));
const text = fc.oneof(fc.string({ unit: character, maxLength: 24 }), fc.string({ unit: 'binary' }));

test('a path is taken exactly as it is, or refused', () => {
  fc.assert(
    fc.property(text, (raw) => assert.is(parsed(raw), isLegalPath(raw) ? raw : null)),
    { numRuns: 5_000 },
  );
  const legal = fc
    .array(fc.stringMatching(/^[a-z0-9_-]{1,60}$/), { minLength: 1, maxLength: 12 })
    .map((segments) => segments.join('/'));
  fc.assert(
    fc.property(legal, (raw) => assert.is(parsed(raw), isLegalPath(raw) ? raw : null)),
    { numRuns: 2_000 },
  );
});

test('the limits of a path are 10 segments and 512 characters', () => {
  assert.is(parsed(Array(10).fill('a').join('/')), Array(10).fill('a').join('/'));
  assert.is(parsed(Array(11).fill('a').join('/')), null);
  assert.is(parsed('a'.repeat(512)), 'a'.repeat(512));
  assert.is(parsed('a'.repeat(513)), null);
});

test('a path that ends in a line feed is refused', () => {
  for (const raw of ['app\n', 'app/x\n', '\napp', 'app\r', 'app\u2028'])
    assert.is(parsed(raw), null, JSON.stringify(raw));
});

test('a very long text is refused at once', () => {
  const started = performance.now();
  for (let round = 0; round < 100; round++) parsed(`${'a/'.repeat(500_000)}!`);
  assert.ok(performance.now() - started < 1_000);
});

test('a segment stands alone', () => {
  for (const good of ['a', '0', '-', '_', '__proto__']) assert.ok(isPathSegment(good), good);
  for (const bad of ['', 'a/b', 'A', '.', '*', 'a\n', 'a'.repeat(513)]) assert.not(isPathSegment(bad), bad);
});

test('nobody can be called like the system, or like part of a path', () => {
  const bad = [
    SYSTEM_TENANT,
    '',
    '_x',
    '-x',
    '.',
    '..',
    'a/b',
    'a b',
    'a\n',
    'ä',
    'a%2f',
    'a'.repeat(129),
    7,
    null,
    ['a'],
  ];
  for (const raw of bad) {
    assert.is(parseTenantId(raw), null, JSON.stringify(raw));
    assert.is(parsePartnerId(raw), null, JSON.stringify(raw));
  }
  for (const raw of ['tnt_a', 'A', '0.x-Y_z', 'a'.repeat(128)]) assert.is(parseTenantId(raw), raw);
});

test('a policy name has one spelling (OpenBao CVE-2025-5999)', () => {
  for (const raw of ['root', 'admin', 'a.b-c_d', '0']) assert.is(parsePolicyName(raw), raw);
  for (const raw of ['Root', 'ROOT', ' root', 'root ', 'r\u043eot', 'root\0', '', '_x', '.x', 'a/b', 'a'.repeat(129)]) {
    assert.is(parsePolicyName(raw), null, JSON.stringify(raw));
  }
});

test('an id of another form names no policy', () => {
  const id = newId('pol');
  assert.is(parsePolicyId(id), id);
  for (const raw of [
    id.toUpperCase(),
    `${id} `,
    `${id}0`,
    id.slice(0, -1),
    id.replace('pol_', 'bnd_'),
    'pol_',
    '',
    `${id}\n`,
    `${id.slice(0, -1)}u`,
  ]) {
    assert.throws(
      () => parsePolicyId(raw),
      (error: ApiError) => error.code === 'policy_not_found',
    );
  }
});

test.run();
