import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Signature algorithms as in the `alg` of a JWS header. */
export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA';

export interface SigningKey {
  readonly kid: string;
  readonly alg: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As it stands in the JWKS. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

let made = 0;

/** A fresh key pair. @param bits of an RSA key */
export function signingKey(alg: Algorithm, { kid, bits = 2048 }: { kid?: string; bits?: number } = {}): SigningKey {
  const { privateKey, publicKey } = generate(alg, bits);
  const name = kid ?? `key-${++made}-${alg.toLowerCase()}`;
  return {
    kid: name,
    alg,
    privateKey,
    publicKey,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: name, alg, use: 'sig' },
  };
}

function generate(alg: Algorithm, bits: number): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (alg) {
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: bits });
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ES384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
  }
}

/**
 * A compact JWS (RFC 7515) over texts taken as they are, so that a test can say what no library would: members that
 * stand twice, claims that are no JSON. Made with node:crypto alone, independently of what verifies it.
 */
export function signCompact(header: string, payload: string, key: Pick<SigningKey, 'alg' | 'privateKey'>): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signature(input, key).toString('base64url')}`;
}

function signature(input: string, { alg, privateKey }: Pick<SigningKey, 'alg' | 'privateKey'>): Buffer {
  const data = Buffer.from(input);
  switch (alg) {
    case 'RS256':
      return sign('sha256', data, privateKey);
    case 'PS256':
      return sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    case 'ES256':
      return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    case 'ES384':
      return sign('sha384', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return sign(null, data, privateKey);
  }
}

/** `alg: none`, without a signature. */
export function unsigned(claims: object, signatureText = ''): string {
  return `${base64url(JSON.stringify({ alg: 'none', typ: 'JWT' }))}.${base64url(JSON.stringify(claims))}.${signatureText}`;
}

/** The confusion of algorithms: HMAC with the public key's text as its secret. */
export function signedWithPublicKey(claims: object, key: SigningKey): string {
  const header = JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: key.kid });
  const input = `${base64url(header)}.${base64url(JSON.stringify(claims))}`;
  const secret = key.publicKey.export({ type: 'spki', format: 'pem' });
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
