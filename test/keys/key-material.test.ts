import { setTimeout as sleep } from 'node:timers/promises';
import { format, inspect } from 'node:util';
import { serialize, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as assert from 'uvu/assert';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { suite } from '../support/suite.ts';

const test = suite('a key in memory');
const BYTES = Buffer.from('0123456789abcdefghijklmnopqrstuv');
const aKey = () => KeyMaterial.adopt(Buffer.from(BYTES));

test('shows [key] and nothing else, however it is printed', () => {
  const key = aKey();
  const shown = [
    String(key),
    `${key}`,
    JSON.stringify(key),
    JSON.stringify({ nested: [key] }),
    inspect(key),
    inspect({ nested: { key } }, { showHidden: true, depth: 9 }),
    format('%s %o %O %j', key, key, key, key),
    new Error('with a cause', { cause: key }).stack ?? '',
    inspect(new Error('with a cause', { cause: key })),
    Object.entries(key).join(),
    Reflect.ownKeys(key).join(),
    inspect(structuredClone(key)),
    serialize(key).toString('latin1'),
  ];
  for (const text of shown) {
    for (const form of ['latin1', 'hex', 'base64'] as const) {
      assert.not.ok(text.includes(BYTES.toString(form).slice(0, 6)), text);
    }
    assert.not.match(text, '48, 49, 50');
  }
  assert.is(`${key}`, '[key]');
  assert.is(JSON.stringify(key), '"[key]"');
  assert.is(inspect(key), '[key]');
});

test('takes the bytes over: whoever gave them has zeros', () => {
  const given = Buffer.from(BYTES);
  const key = KeyMaterial.adopt(given);
  assert.equal(given, Buffer.alloc(32));
  key.use((bytes) => assert.equal(bytes, BYTES));
});

test('has 32 bytes', () => {
  for (const size of [0, 16, 31, 33]) assert.throws(() => KeyMaterial.adopt(Buffer.alloc(size)), /32 bytes/);
});

test('destroyed, it holds zeros and cannot be used', () => {
  const key = aKey();
  const lent = key.use((bytes) => bytes);
  key.destroy();
  assert.equal(lent, Buffer.alloc(32));
  assert.ok(key.destroyed);
  assert.throws(() => key.use(() => undefined), /destroyed/);
  assert.throws(() => key.fingerprint(), /destroyed/);
  assert.throws(() => key.derive('purpose'), /destroyed/);
  assert.throws(() => key.equals(aKey()), /destroyed/);
  key.destroy();
});

test('forgotten, it is zero-filled by the garbage collector', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const lent = (() => aKey().use((bytes) => bytes))();
  for (let i = 0; i < 100 && lent[0] !== 0; i++) {
    collect();
    await sleep(10);
  }
  assert.equal(lent, Buffer.alloc(32));
});

test('its fingerprint names it, and its purposes are apart', () => {
  const key = aKey();
  const other = KeyMaterial.generate();
  assert.equal(key.fingerprint(), aKey().fingerprint());
  assert.not.equal(key.fingerprint(), other.fingerprint());
  assert.ok(key.equals(aKey()));
  assert.not(key.equals(other));
  assert.not(key.derive('a').equals(key.derive('b')));
  assert.not(key.derive('a').equals(key));
});

test('a MAC is valid for its message, purpose and key only', () => {
  const key = aKey();
  const message = Buffer.from('message');
  const tag = key.mac('purpose', message);
  assert.ok(key.verifyMac('purpose', message, tag));
  assert.not(key.verifyMac('purpose', Buffer.from('massage'), tag));
  assert.not(key.verifyMac('other', message, tag));
  assert.not(KeyMaterial.generate().verifyMac('purpose', message, tag));
  for (const size of [0, 31]) assert.not(key.verifyMac('purpose', message, tag.subarray(0, size)));
});

test.run();
