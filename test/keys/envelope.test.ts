import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { PartnerId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { open, seal } from '../../src/keys/envelope.ts';
import { EnvelopeError } from '../../src/keys/errors.ts';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { openValue, type SealedValue, sealValue, type ValuePlace } from '../../src/keys/sealed-value.ts';
import { lengthPrefixed, systemRandom } from '../../src/kms/primitives.ts';
import { suite } from '../support/suite.ts';
import { keyId, placeIn } from './fixtures.ts';

const test = suite('the envelope of a value');
const tenantKey = KeyMaterial.generate();
const tenantKeyId = keyId('tk');
const place = placeIn({ tenantId: 'acme' as TenantId, partnerId: 'group' as PartnerId });
const value = Buffer.from('{"data":{"password":"correct horse"}}');
const sealed = sealValue(tenantKey, tenantKeyId, place, value);

/** The kind of the failure; never the value, which a message must not hold either. */
function outcome(at: ValuePlace, stored: SealedValue, key = tenantKey): string {
  try {
    return `opened: ${openValue(key, at, stored)}`;
  } catch (error) {
    assert.instance(error, EnvelopeError);
    const { kind, message } = error as EnvelopeError;
    assert.match(message, at.objectId);
    assert.match(message, `version ${at.version}`);
    assert.not.match(message, 'correct horse');
    return kind;
  }
}

test('what was sealed opens, whatever it is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (bytes, version) => {
      const there = { ...place, version };
      const opened = openValue(tenantKey, there, sealValue(tenantKey, tenantKeyId, there, bytes));
      assert.equal(opened, Buffer.from(bytes));
    }),
    { numRuns: 60 },
  );
});

test('the same value sealed twice has nothing in common', () => {
  const again = sealValue(tenantKey, tenantKeyId, place, value);
  assert.not.equal(again.ciphertext, sealed.ciphertext);
  assert.not.equal(again.wrappedKey, sealed.wrappedKey);
});

test('every flipped bit fails closed, with the kind that fits', () => {
  for (const column of ['ciphertext', 'wrappedKey'] as const) {
    const original = sealed[column];
    const nonceAt = 3 + original.readUInt16BE(1);
    for (let bit = 0; bit < original.length * 8; bit++) {
      const altered = Buffer.from(original);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      const byte = bit >> 3;
      const expected = byte === 0 ? /^unknown_format$/ : byte < nonceAt ? /^(wrong_key|truncated)$/ : /^not_authentic$/;
      assert.match(outcome(place, { ...sealed, [column]: altered }), expected, `${column}, bit ${bit}`);
    }
  }
});

test('every truncation fails closed', () => {
  for (let length = 0; length < sealed.ciphertext.length; length++) {
    const kind = outcome(place, { ...sealed, ciphertext: sealed.ciphertext.subarray(0, length) });
    // The length of a value is not known, so only what cannot hold nonce and tag is known to be cut.
    assert.is(kind, length < 3 + 12 + 16 ? 'truncated' : 'not_authentic', `ciphertext of ${length} bytes`);
  }
  for (let length = 0; length < sealed.wrappedKey.length; length++) {
    const kind = outcome(place, { ...sealed, wrappedKey: sealed.wrappedKey.subarray(0, length) });
    assert.is(kind, 'truncated', `wrapped key of ${length} bytes`);
  }
});

test('bytes that follow fail closed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (more) => {
      const longer = (bytes: Buffer) => Buffer.concat([bytes, more]);
      assert.is(outcome(place, { ...sealed, ciphertext: longer(sealed.ciphertext) }), 'not_authentic');
      assert.is(outcome(place, { ...sealed, wrappedKey: longer(sealed.wrappedKey) }), 'trailing_bytes');
    }),
    { numRuns: 50 },
  );
});

test('a row moved to another tenant, path, secret, version or column fails closed', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/).filter((text) => text !== place.tenantId);
  const path = fc.stringMatching(/^[a-z0-9_-]{1,4}(\/[a-z0-9_-]{1,4}){0,3}$/);
  // One change at a time: each part of the place must be bound by itself.
  const elsewhere: fc.Arbitrary<Partial<ValuePlace>> = fc.oneof(
    fc.record({ tenantId: id as fc.Arbitrary<TenantId> }),
    fc.record({ path: path as fc.Arbitrary<SecretPath> }),
    fc.record({ objectId: id }),
    fc.record({ version: fc.integer({ min: 2, max: 2 ** 31 - 1 }) }),
    fc.constantFrom('data-key', 'webhook').map((purpose) => ({ purpose: purpose as 'secret' })),
    fc.constantFrom('acm', 'acme2', 'Acme').map((tenantId) => ({ tenantId: tenantId as TenantId })),
  );
  fc.assert(
    fc.property(elsewhere, (change) => {
      assert.is(outcome({ ...place, ...change }, sealed), 'not_authentic');
    }),
    { numRuns: 200 },
  );
});

test('a move wraps the data key anew and leaves the ciphertext as it is', () => {
  const moved = { ...place, path: 'elsewhere' as SecretPath };
  const wrapPlace = (at: ValuePlace) => ({
    purpose: 'data-key',
    ownerId: at.tenantId,
    objectId: at.objectId,
    version: at.version,
    further: [at.purpose, at.path, tenantKeyId],
  });
  const dataKey = open(tenantKey, tenantKeyId, wrapPlace(place), sealed.wrappedKey, 32);
  const wrappedKey = seal(tenantKey, tenantKeyId, wrapPlace(moved), dataKey, systemRandom);
  assert.is(outcome(moved, { ...sealed, wrappedKey }), `opened: ${value}`);
  assert.is(outcome(place, { ...sealed, wrappedKey }), 'not_authentic');
});

test('the key that the row names must be the key that wrapped it', () => {
  assert.is(outcome(place, { ...sealed, keyId: keyId('tk') }), 'wrong_key');
  assert.is(outcome(place, sealed, KeyMaterial.generate()), 'not_authentic');
});

test('two columns of one row cannot change places', () => {
  assert.is(outcome(place, { ...sealed, ciphertext: sealed.wrappedKey }), 'wrong_key');
  assert.is(outcome(place, { ...sealed, wrappedKey: sealed.ciphertext }), 'wrong_key');
});

test('no two lists of fields give the same bytes', () => {
  const field = fc.oneof(fc.string({ maxLength: 6 }), fc.nat(), fc.uint8Array({ maxLength: 4 }));
  const text = (fields: readonly (string | number | Uint8Array)[]) =>
    JSON.stringify(fields.map((f) => Buffer.from(f instanceof Uint8Array ? f : String(f)).toString('hex')));
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), fc.array(field, { maxLength: 4 }), (a, b) => {
      assert.is(lengthPrefixed(a).equals(lengthPrefixed(b)), text(a) === text(b));
    }),
  );
  assert.throws(() => lengthPrefixed(['x'.repeat(65_536)]), /too long/);
});

test.run();
