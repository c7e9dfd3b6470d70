/**
 * The few primitives that everything under `kms` and `keys` is made of: AES-256-GCM, HKDF-SHA-256, HMAC-SHA-256 and an
 * encoding of fields without ambiguity. `docs/cryptography.md` says how they are put together.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

const CIPHER = 'aes-256-gcm';
const MAX_FIELD_BYTES = 0xffff;

/** Gives `size` random bytes. Only a test that reproduces a published vector passes another one than the system's. */
export type RandomSource = (size: number) => Buffer;
export const systemRandom: RandomSource = (size) => randomBytes(size);

function sizeOf(field: string | number | Uint8Array): number {
  return field instanceof Uint8Array ? field.length : Buffer.byteLength(String(field));
}

/**
 * Each field as its length (two bytes, big-endian) and its bytes: no two lists of fields give the same bytes. Numbers
 * are written in decimal, text in UTF-8.
 */
export function lengthPrefixed(fields: readonly (string | number | Uint8Array)[]): Buffer {
  let size = 0;
  for (const field of fields) size += 2 + sizeOf(field);
  const encoded = Buffer.alloc(size);
  let at = 0;
  for (const field of fields) {
    const length = sizeOf(field);
    if (length > MAX_FIELD_BYTES) throw new RangeError(`a field of ${length} bytes is too long`);
    at = encoded.writeUInt16BE(length, at);
    if (field instanceof Uint8Array) encoded.set(field, at);
    else encoded.write(String(field), at);
    at += length;
  }
  return encoded;
}

/**
 * The key in the form that Node takes three times as fast as a buffer. It lives as long as the cipher beside it, which
 * holds a copy of the key either way; OpenSSL clears both when they are collected.
 */
function keyObject(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

/** AES-256-GCM (NIST SP 800-38D) under a fresh random 96-bit nonce: `nonce || ciphertext || tag`. */
export function encrypt(key: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, random: RandomSource): Buffer {
  const nonce = random(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The inverse of {@link encrypt}; null where the box is too short or not authentic. */
export function decrypt(key: Uint8Array, aad: Uint8Array, box: Uint8Array): Buffer | null {
  if (box.length < NONCE_BYTES + TAG_BYTES) return null;
  const tagAt = box.length - TAG_BYTES;
  const nonce = box.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(box.subarray(tagAt));
  const plaintext = decipher.update(box.subarray(NONCE_BYTES, tagAt));
  try {
    decipher.final();
    return plaintext;
  } catch {
    // What came out before the tag was checked is nobody's business.
    plaintext.fill(0);
    return null;
  }
}

/** HKDF with SHA-256 (RFC 5869), no salt, 32 bytes. `info` keeps the uses of one key apart. */
export function hkdf(key: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, KEY_BYTES));
}

export function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac('sha256', keyObject(key)).update(message).digest();
}

/**
 * Names a key without telling anything about it: SHA-256 over a key-check value, which is derived and used for nothing
 * else. 32 bytes.
 */
export function fingerprintOf(key: Uint8Array): Buffer {
  return createHash('sha256').update(hkdf(key, 'scaivault/key-check')).digest();
}

/** The form that people read: the first 8 bytes in hex. */
export function displayFingerprint(fingerprint: Uint8Array): string {
  return Buffer.from(fingerprint.subarray(0, 8)).toString('hex');
}
