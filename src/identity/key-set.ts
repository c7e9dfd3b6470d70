import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';
import { DocumentError } from './http-documents.ts';

export const MAX_KEYS = 100;
const MIN_RSA_BITS = 2048;
// Verifying with a larger one takes so long that a stranger's token becomes a load.
const MAX_RSA_BITS = 8192;

/** Members of a public signature key. Private ones, certificates and addresses (`x5u`) are not even looked at. */
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use', 'key_ops'] as const;

/** The usable keys of one issuer's JWKS document (RFC 7517). */
export interface KeySet {
  readonly size: number;
  /** The one key that fits `alg` and `kid`; null when there is none, or more than one. */
  find(header: JWTHeaderParameters): Promise<CryptoKey | null>;
}

/** @throws DocumentError when the document is no key set, or has more than {@link MAX_KEYS} keys. */
export function readKeySet(document: unknown): KeySet {
  const listed = memberOf(document, 'keys');
  if (!Array.isArray(listed)) throw new DocumentError('the JWKS document has no list "keys"');
  if (listed.length > MAX_KEYS) throw new DocumentError(`the JWKS document has more than ${MAX_KEYS} keys`);
  const keys = listed.map(publicPart).filter((key) => key !== null);
  const select = createLocalJWKSet({ keys } satisfies JSONWebKeySet);
  return { size: keys.length, find: (header) => findIn(select, header) };
}

async function findIn(
  select: ReturnType<typeof createLocalJWKSet>,
  header: JWTHeaderParameters,
): Promise<CryptoKey | null> {
  try {
    return await select(header);
  } catch (error) {
    // Everything else that can go wrong is a key that does not import: of no use, like one that is not there.
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) return null;
    throw error;
  }
}

/** A usable public signature key, or null: a key that is weak or foreign is as good as absent. */
function publicPart(entry: unknown): JWK | null {
  const kty = memberOf(entry, 'kty');
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return null;
  const key: Record<string, unknown> = {};
  for (const name of PUBLIC_MEMBERS) {
    const value = memberOf(entry, name);
    if (value === undefined) continue;
    if (name === 'key_ops' ? !Array.isArray(value) : typeof value !== 'string') return null;
    key[name] = value;
  }
  if (kty === 'RSA' && !isSoundModulus(key.n)) return null;
  return key as JWK;
}

function isSoundModulus(n: unknown): boolean {
  if (typeof n !== 'string') return false;
  const bytes = Buffer.from(n, 'base64url');
  const start = bytes.findIndex((byte) => byte !== 0);
  if (start < 0) return false;
  const bits = (bytes.length - start) * 8 - Math.clz32(bytes[start] ?? 0) + 24;
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS;
}

export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
