/**
 * Opens a value from what a database dump and a key file hold, with Web Cryptography and nothing of ours: written from
 * docs/cryptography.md, so that the owner is never locked in.
 */
import { webcrypto } from 'node:crypto';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import vectors from './vectors.json' with { type: 'json' };

const test = suite('a second implementation, from the documentation alone');
const { subtle } = webcrypto;
const utf8 = new TextEncoder();

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function toHex(bytes: ArrayBuffer | Uint8Array): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fields(...parts: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    parts.flatMap((part) => {
      const bytes = typeof part === 'string' ? utf8.encode(part) : part;
      return [bytes.length >> 8, bytes.length & 255, ...bytes];
    }),
  );
}

async function gcm(key: Uint8Array<ArrayBuffer>, aad: Uint8Array<ArrayBuffer>, box: Uint8Array<ArrayBuffer>) {
  const imported = await subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  const algorithm = { name: 'AES-GCM', iv: box.slice(0, 12), additionalData: aad };
  return new Uint8Array(await subtle.decrypt(algorithm, imported, box.slice(12)));
}

function envelope(key: Uint8Array<ArrayBuffer>, aad: Uint8Array<ArrayBuffer>, hex: string) {
  const bytes = fromHex(hex);
  assert.is(bytes[0], 1);
  const idLength = bytes[1]! * 256 + bytes[2]!;
  return gcm(key, aad, bytes.slice(3 + idLength));
}

async function hkdf(key: Uint8Array<ArrayBuffer>, info: string): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await subtle.importKey('raw', key, 'HKDF', false, ['deriveBits']);
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: utf8.encode(info) };
  return new Uint8Array(await subtle.deriveBits(algorithm, imported, 256));
}

async function hmac(key: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): Promise<string> {
  const imported = await subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return toHex(await subtle.sign('HMAC', imported, message));
}

async function fingerprint(key: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(await subtle.digest('SHA-256', await hkdf(key, 'scaivault/key-check')));
}

const { installationId, root, partnerKey, tenantKey, value, succession } = vectors;

test('opens the whole chain, from the key file to the value', async () => {
  const fileKey = Uint8Array.from(atob(vectors.keyFile), (char) => char.charCodeAt(0));
  assert.is(`local:${(await fingerprint(fileKey)).slice(0, 16)}`, root.keyRef);

  const rootAad = fields('scaivault/1', 'root-key', installationId, root.id, String(root.version));
  const wrap = fromHex(root.wrap);
  assert.is(wrap[0], 1);
  const block = await gcm(fileKey, rootAad, wrap.slice(1));
  const keyAt = 1 + 2 + installationId.length + 2 + root.id.length + 4;
  const rootKey = block.slice(keyAt, keyAt + 32);
  assert.is(block.length, keyAt + 64);
  const check = await hmac(await hkdf(rootKey, 'scaivault/root-check'), block.slice(0, keyAt + 32));
  assert.is(check, toHex(block.slice(keyAt + 32)));
  assert.is(await fingerprint(rootKey), root.fingerprint);

  const partnerAad = fields('scaivault/1', 'partner-key', partnerKey.ownerId, partnerKey.id, '1', root.id);
  const partner = await envelope(rootKey, partnerAad, partnerKey.wrappedKey);
  const tenantAad = fields('scaivault/1', 'tenant-key', tenantKey.ownerId, tenantKey.id, '1', partnerKey.id);
  const tenant = await envelope(partner, tenantAad, tenantKey.wrappedKey);

  const { tenantId, objectId, version, path, purpose } = value.place;
  const where = [tenantId, objectId, String(version)] as const;
  const dataKeyAad = fields('scaivault/1', 'data-key', ...where, purpose, path, value.keyId);
  const dataKey = await envelope(tenant, dataKeyAad, value.wrappedKey);
  const plaintext = await envelope(dataKey, fields('scaivault/1', purpose, ...where), value.ciphertext);
  assert.is(new TextDecoder().decode(plaintext), value.plaintext);
});

test('agrees on the MACs and fingerprints', async () => {
  for (const [kind, row, parent] of [
    ['partner', partnerKey, root.key],
    ['tenant', tenantKey, partnerKey.key],
  ] as const) {
    const message = fields(kind, row.ownerId, row.id, '1', 'active');
    assert.is(await hmac(await hkdf(fromHex(parent), 'scaivault/active-key'), message), row.activeMac);
    assert.is(await fingerprint(fromHex(row.key)), row.fingerprint);
  }
  const { id, version, createdAt, fingerprint: next } = succession.next;
  const message = fields(id, String(version), fromHex(next), createdAt);
  assert.is(await hmac(await hkdf(fromHex(root.key), 'scaivault/succession'), message), succession.record);
});

test.run();
