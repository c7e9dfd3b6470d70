import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { decodeCursor, encodeCursor } from '../../src/lib/cursors.ts';
import { suite } from '../support/suite.ts';

const test = suite('a cursor');
const key = randomBytes(32);
const mac = (message: Buffer) => createHmac('sha256', key).update(message).digest();
const otherMac = (message: Buffer) => createHmac('sha256', randomBytes(32)).update(message).digest();
const NOW = Date.UTC(2026, 10, 23);
const DAY_MS = 86_400_000;
const BINDING = { route: 'audit/logs', query: { action: 'read' }, tenant: 'tnt_a', subject: 's' };

const positions = fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 4 });

test('gives its position back', () => {
  fc.assert(
    fc.property(positions, fc.jsonValue(), (position, binding) => {
      assert.equal(decodeCursor(mac, binding, encodeCursor(mac, binding, position, NOW), NOW), position);
    }),
  );
});

test('is refused with any bit flipped, any character changed, added or left out', () => {
  fc.assert(
    fc.property(positions, fc.nat(), fc.integer({ min: 0, max: 7 }), (position, at, bit) => {
      const cursor = Buffer.from(encodeCursor(mac, BINDING, position, NOW));
      const index = at % cursor.length;
      const flipped = Buffer.from(cursor);
      flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
      assert.is(decodeCursor(mac, BINDING, flipped.toString('latin1'), NOW), null);
      const shorter = Buffer.concat([cursor.subarray(0, index), cursor.subarray(index + 1)]).toString();
      assert.is(decodeCursor(mac, BINDING, shorter, NOW), null);
    }),
    { numRuns: 1_000 },
  );
  const cursor = encodeCursor(mac, BINDING, ['a', 1], NOW);
  const last = cursor.at(-1) ?? '';
  // Every other spelling of the same bytes, too.
  for (const other of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
    const taken = decodeCursor(mac, BINDING, cursor.slice(0, -1) + other, NOW);
    assert.is(taken === null, other !== last);
  }
  for (const more of ['=', '.', ' ', '\n', 'A', '.A']) assert.is(decodeCursor(mac, BINDING, cursor + more, NOW), null);
});

test('is refused with anything that is none', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.is(decodeCursor(mac, BINDING, text, NOW), null);
    }),
  );
  for (const text of ['', '.', '..', 'a.b', 'A'.repeat(100_000)])
    assert.is(decodeCursor(mac, BINDING, text, NOW), null);
});

test('serves its own query, tenant and person, under its own key, for a day', () => {
  const cursor = encodeCursor(mac, BINDING, ['a', 1], NOW);
  for (const binding of [
    { ...BINDING, tenant: 'tnt_b' },
    { ...BINDING, subject: 't' },
    { ...BINDING, query: {} },
    { ...BINDING, route: 'other' },
    null,
  ]) {
    assert.is(decodeCursor(mac, binding, cursor, NOW), null);
  }
  assert.is(decodeCursor(otherMac, BINDING, cursor, NOW), null);
  assert.equal(decodeCursor(mac, BINDING, cursor, NOW + DAY_MS - 1), ['a', 1]);
  assert.is(decodeCursor(mac, BINDING, cursor, NOW + DAY_MS), null);
});

test.run();
