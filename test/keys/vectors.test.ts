import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { KeyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { EnvelopeError } from '../../src/keys/errors.ts';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { isProvenActive, type OwnedKey, type OwnedKeyKind, unwrapKey } from '../../src/keys/owned-key.ts';
import { parseRootBlock, rootBlock } from '../../src/keys/root-block.ts';
import { openValue, sealValue, type ValuePlace } from '../../src/keys/sealed-value.ts';
import { successionRecord } from '../../src/keys/succession.ts';
import { openLocal } from '../../src/kms/local.ts';
import { suite } from '../support/suite.ts';
import vectors from './vectors.json' with { type: 'json' };

const test = suite('the published vectors of docs/cryptography.md');
const bytes = (hex: string) => Buffer.from(hex, 'hex');
const keyOf = (hex: string) => KeyMaterial.adopt(bytes(hex));
const { root, partnerKey, tenantKey, value, succession } = vectors;
const context = { installationId: vectors.installationId, rootKeyId: root.id, version: root.version };
const place = value.place as { purpose: 'secret' } & typeof value.place as unknown as ValuePlace;

/** A source of "random" bytes that gives the published ones, in order. */
function published(...parts: string[]): (size: number) => Buffer {
  return (size) => {
    const next = bytes(parts.shift() ?? '');
    assert.is(next.length, size);
    return next;
  };
}

function rowOf(kind: OwnedKeyKind, row: typeof tenantKey): OwnedKey {
  return {
    kind,
    ownerId: row.ownerId,
    id: row.id as KeyId,
    version: row.version,
    parentId: row.parentId as KeyId,
    wrappedKey: bytes(row.wrappedKey),
    fingerprint: bytes(row.fingerprint),
    state: 'active',
    activeMac: bytes(row.activeMac),
  };
}

test('the root key comes out of the key file and the wrap', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-vectors-'));
  try {
    const file = join(directory, 'kms.key');
    await writeFile(file, vectors.keyFile, { mode: 0o600 });
    const kms = openLocal(file, published(root.nonce));
    const block = await kms.unwrap(bytes(root.wrap), context, root.keyRef);
    assert.is(block.toString('hex'), root.block);
    assert.ok(parseRootBlock(block, context).equals(keyOf(root.key)));
    const made = await kms.wrap(rootBlock(keyOf(root.key), context), context);
    assert.is(made.ciphertext.toString('hex'), root.wrap);
    assert.is(made.keyRef, root.keyRef);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('partner and tenant keys come out of their rows, which prove that they are active', () => {
  const rootKey = { id: root.id as KeyId, material: keyOf(root.key) };
  assert.is(rootKey.material.fingerprint().toString('hex'), root.fingerprint);
  const partner = rowOf('partner', partnerKey);
  assert.ok(isProvenActive(partner, rootKey));
  const partnerMaterial = unwrapKey(partner, rootKey);
  assert.ok(partnerMaterial.equals(keyOf(partnerKey.key)));
  const tenant = rowOf('tenant', tenantKey);
  const parent = { id: partner.id, material: partnerMaterial };
  assert.ok(isProvenActive(tenant, parent));
  assert.ok(unwrapKey(tenant, parent).equals(keyOf(tenantKey.key)));
});

test('the value comes out of its row, and goes into it byte by byte', () => {
  const key = keyOf(tenantKey.key);
  const stored = {
    ciphertext: bytes(value.ciphertext),
    wrappedKey: bytes(value.wrappedKey),
    keyId: value.keyId as KeyId,
  };
  assert.is(openValue(key, place, stored).toString('utf8'), value.plaintext);
  const random = published(value.dataKey, value.valueNonce, value.dataKeyNonce);
  const made = sealValue(key, stored.keyId, place, Buffer.from(value.plaintext, 'utf8'), random);
  assert.is(made.ciphertext.toString('hex'), value.ciphertext);
  assert.is(made.wrappedKey.toString('hex'), value.wrappedKey);
});

test('the record of succession', () => {
  const next = {
    ...succession.next,
    fingerprint: bytes(succession.next.fingerprint),
    createdAt: new Date(succession.next.createdAt),
  };
  assert.is(successionRecord(keyOf(root.key), next).toString('hex'), succession.record);
});

for (const vector of vectors.refused) {
  test(`refused as ${vector.kind}: ${vector.name}`, () => {
    const changes = (vector.place ?? {}) as { tenantId?: TenantId; path?: SecretPath };
    const stored = {
      ciphertext: bytes(vector.ciphertext ?? value.ciphertext),
      wrappedKey: bytes(vector.wrappedKey ?? value.wrappedKey),
      keyId: value.keyId as KeyId,
    };
    try {
      openValue(keyOf(tenantKey.key), { ...place, ...changes }, stored);
    } catch (error) {
      assert.instance(error, EnvelopeError);
      assert.is((error as EnvelopeError).kind, vector.kind);
      return;
    }
    assert.unreachable('it opened');
  });
}

test.run();
