/**
 * The one format of everything that is encrypted at rest:
 *
 *     0x01 || length of key id (2 bytes, big-endian) || key id || nonce (12) || ciphertext || tag (16)
 *
 * AES-256-GCM binds its place as associated data, so a row copied to another tenant, path, version or column does not
 * open. What precedes the nonce is compared with what is expected, byte by byte, so nothing in an envelope is malleable.
 */
import { decrypt, encrypt, lengthPrefixed, NONCE_BYTES, type RandomSource, TAG_BYTES } from '../kms/primitives.ts';
import { EnvelopeError, type EnvelopeErrorKind } from './errors.ts';
import type { KeyMaterial } from './key-material.ts';

const FORMAT = 0x01;
const DOMAIN = 'scaivault/1';
const ID_AT = 3;

/** Where an envelope lies. */
export interface Place {
  /** `secret`, `data-key`, `tenant-key`, `partner-key`: keeps columns apart. */
  readonly purpose: string;
  /** Tenant or partner. */
  readonly ownerId: string;
  readonly objectId: string;
  readonly version: number;
  /** What else is bound; a fixed number of fields for each purpose. */
  readonly further: readonly string[];
}

/** Seals under `key`. `keyId` is empty where the key is not stored under an id of its own but wrapped beside. */
export function seal(
  key: KeyMaterial,
  keyId: string,
  place: Place,
  plaintext: Uint8Array,
  random: RandomSource,
): Buffer {
  const box = key.use((bytes) => encrypt(bytes, associatedData(place), plaintext, random));
  return Buffer.concat([header(keyId), box]);
}

/**
 * Opens what {@link seal} made. `size` is the plaintext's length where it is known, as it is for keys.
 * @throws EnvelopeError
 */
export function open(key: KeyMaterial, keyId: string, place: Place, envelope: Buffer, size?: number): Buffer {
  const box = envelope.subarray(checkHeader(keyId, place, envelope));
  const smallest = NONCE_BYTES + TAG_BYTES + (size ?? 0);
  if (box.length < smallest) throw refusal('truncated', place, 'is cut short');
  if (size !== undefined && box.length > smallest) throw refusal('trailing_bytes', place, 'is longer than it can be');
  const plaintext = key.use((bytes) => decrypt(bytes, associatedData(place), box));
  if (plaintext === null) {
    throw refusal('not_authentic', place, 'is not authentic: altered, cut short, or moved here from another place');
  }
  return plaintext;
}

function associatedData(place: Place): Buffer {
  return lengthPrefixed([DOMAIN, place.purpose, place.ownerId, place.objectId, place.version, ...place.further]);
}

function header(keyId: string): Buffer {
  return Buffer.concat([Buffer.of(FORMAT), lengthPrefixed([keyId])]);
}

/** Where the nonce begins. */
function checkHeader(keyId: string, place: Place, envelope: Buffer): number {
  if (envelope.length === 0) throw refusal('truncated', place, 'is empty');
  if (envelope[0] !== FORMAT) {
    throw refusal('unknown_format', place, `has format ${envelope[0]}, which this release does not know`);
  }
  if (envelope.length < ID_AT) throw refusal('truncated', place, 'is cut short');
  const idEnd = ID_AT + envelope.readUInt16BE(1);
  if (envelope.length < idEnd) throw refusal('truncated', place, 'is cut short');
  if (idEnd !== ID_AT + Buffer.byteLength(keyId) || envelope.toString('utf8', ID_AT, idEnd) !== keyId) {
    throw refusal('wrong_key', place, `was not sealed by ${keyId === '' ? 'a data key' : `key ${keyId}`}`);
  }
  return idEnd;
}

function refusal(kind: EnvelopeErrorKind, place: Place, what: string): EnvelopeError {
  const where = `${place.purpose} of ${place.objectId} version ${place.version} (owner ${place.ownerId})`;
  return new EnvelopeError(kind, `the ${where} ${what}`);
}
