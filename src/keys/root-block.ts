/**
 * What a key management service wraps is not the bare root key but a block that says whose it is (spec 12, "No planted
 * keys"), so that a wrap from elsewhere is refused alike with every provider, whether or not it takes associated data:
 *
 *     0x01 || field installation id || field root key id || version (4 bytes) || key (32) || check (32)
 *
 * A field is its length in two bytes and its bytes. The check is HMAC-SHA-256 over all that precedes it, under a key
 * derived from the root key. The block has 132 bytes with the ids that we make, fewer than the 190 that RSA-OAEP with
 * SHA-256 and a 2048-bit key takes.
 */
import { KEY_BYTES, lengthPrefixed } from '../kms/primitives.ts';
import type { KmsContext } from '../kms/provider.ts';
import { KeyError, type KeyErrorKind } from './errors.ts';
import { KeyMaterial } from './key-material.ts';

const FORMAT = 0x01;
const CHECK_BYTES = 32;
const CHECK_INFO = 'scaivault/root-check';

/** The caller zero-fills the answer. */
export function rootBlock(key: KeyMaterial, context: KmsContext): Buffer {
  const head = Buffer.concat([
    Buffer.of(FORMAT),
    lengthPrefixed([context.installationId, context.rootKeyId]),
    uint32(context.version),
  ]);
  const block = Buffer.alloc(head.length + KEY_BYTES + CHECK_BYTES);
  const checkAt = head.length + KEY_BYTES;
  block.set(head);
  key.use((bytes) => block.set(bytes, head.length));
  block.set(key.mac(CHECK_INFO, block.subarray(0, checkAt)), checkAt);
  return block;
}

/** The key in the block, which must be of this very place. @throws KeyError */
export function parseRootBlock(block: Buffer, expected: KmsContext): KeyMaterial {
  const fields = split(block);
  if (fields === null) throw refusal('root_block_malformed', expected, 'is of an unknown format or has a wrong length');
  const key = KeyMaterial.adopt(Buffer.from(fields.key));
  try {
    if (!key.verifyMac(CHECK_INFO, fields.checked, fields.check)) {
      throw refusal('root_check_failed', expected, 'carries a check that does not belong to it');
    }
    if (fields.installationId !== expected.installationId) {
      throw refusal('other_installation', expected, `belongs to the installation ${fields.installationId}`);
    }
    if (fields.rootKeyId !== expected.rootKeyId || fields.version !== expected.version) {
      throw refusal('other_root_key', expected, `is that of ${fields.rootKeyId} version ${fields.version}`);
    }
    return key;
  } catch (error) {
    key.destroy();
    throw error;
  }
}

interface Fields {
  readonly installationId: string;
  readonly rootKeyId: string;
  readonly version: number;
  readonly key: Buffer;
  readonly checked: Buffer;
  readonly check: Buffer;
}

function split(block: Buffer): Fields | null {
  if (block[0] !== FORMAT) return null;
  const installationId = field(block, 1);
  if (installationId === null) return null;
  const rootKeyId = field(block, installationId.end);
  if (rootKeyId === null) return null;
  const keyAt = rootKeyId.end + 4;
  const checkAt = keyAt + KEY_BYTES;
  if (block.length !== checkAt + CHECK_BYTES) return null;
  return {
    installationId: installationId.text,
    rootKeyId: rootKeyId.text,
    version: block.readUInt32BE(rootKeyId.end),
    key: block.subarray(keyAt, checkAt),
    checked: block.subarray(0, checkAt),
    check: block.subarray(checkAt),
  };
}

function field(block: Buffer, at: number): { readonly text: string; readonly end: number } | null {
  if (block.length < at + 2) return null;
  const end = at + 2 + block.readUInt16BE(at);
  if (block.length < end) return null;
  return { text: block.toString('utf8', at + 2, end), end };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function refusal(kind: KeyErrorKind, context: KmsContext, what: string): KeyError {
  return new KeyError(
    kind,
    `the wrap of root key ${context.rootKeyId} version ${context.version}, installation ${context.installationId}, ${what}`,
    'Restore the tables installation, root_keys and root_key_wraps from one backup of this installation.',
  );
}
