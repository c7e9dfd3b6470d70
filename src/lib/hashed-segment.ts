import { hash } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const CHARS = 26;

/** `h-` and 130 bits of SHA-256 in lower-case base 32 (RFC 4648): a legal path segment that stands for any text. */
export function hashedSegment(text: string): string {
  let rest = BigInt(`0x${hash('sha256', text, 'hex')}`) >> BigInt(256 - CHARS * 5);
  let digits = '';
  for (let at = 0; at < CHARS; at++) {
    digits = BASE32.charAt(Number(rest & 31n)) + digits;
    rest >>= 5n;
  }
  return `h-${digits}`;
}
