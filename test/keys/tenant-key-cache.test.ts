import * as assert from 'uvu/assert';
import type { TenantId } from '../../src/contract/names.ts';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { TenantKeyCache } from '../../src/keys/tenant-key-cache.ts';
import { suite } from '../support/suite.ts';
import { keyId } from './fixtures.ts';

const test = suite('the cache of tenant keys');
const acme = 'acme' as TenantId;
const aKey = () => ({ id: keyId('tk'), material: KeyMaterial.generate() });

test('an evicted key is zero-filled at once', () => {
  const cache = new TenantKeyCache(2);
  const keys = [aKey(), aKey(), aKey()] as const;
  for (const key of keys) cache.add(acme, key).release();
  assert.equal(
    keys.map((key) => key.material.destroyed),
    [true, false, false],
  );
  assert.is(cache.lease(acme, keys[0].id), null);
});

test('the most recently used keys stay', () => {
  const cache = new TenantKeyCache(2);
  const [a, b, c] = [aKey(), aKey(), aKey()];
  cache.add(acme, a).release();
  cache.add(acme, b).release();
  cache.lease(acme, a.id)?.release();
  cache.add(acme, c).release();
  assert.equal(
    [a, b, c].map((key) => key.material.destroyed),
    [false, true, false],
  );
});

test('a leased key is zero-filled when the last lease ends, and a lease ends once', () => {
  const cache = new TenantKeyCache(1);
  const key = aKey();
  const first = cache.add(acme, key);
  const second = cache.lease(acme, key.id)!;
  cache.add(acme, aKey()).release();
  assert.not(key.material.destroyed);
  first.release();
  first.release();
  assert.not(key.material.destroyed);
  second.material.fingerprint();
  second.release();
  assert.ok(key.material.destroyed);
});

test('of two loads of one key the first one stays', () => {
  const cache = new TenantKeyCache(2);
  const key = aKey();
  const twin = { id: key.id, material: KeyMaterial.generate() };
  cache.add(acme, key).release();
  assert.is(cache.add(acme, twin).material, key.material);
  assert.ok(twin.material.destroyed);
  assert.not(key.material.destroyed);
});

test('a key is found under its own tenant only', () => {
  const cache = new TenantKeyCache(2);
  const key = aKey();
  cache.add(acme, key).release();
  assert.is(cache.lease('globex' as TenantId, key.id), null);
});

test('closing zero-fills all, leased or not', () => {
  const cache = new TenantKeyCache(3);
  const keys = [aKey(), aKey()];
  const leases = keys.map((key) => cache.add(acme, key));
  leases[0]!.release();
  cache.close();
  assert.ok(keys.every((key) => key.material.destroyed));
  assert.is(cache.lease(acme, keys[0]!.id), null);
  leases[1]!.release();
});

test.run();
