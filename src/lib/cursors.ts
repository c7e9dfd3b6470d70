import { createHash, timingSafeEqual } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/** A position in a keyset: the values of the sort key of the last row shown. */
export type Position = readonly (string | number)[];

/** A message authentication code under a key that the caller keeps. */
export type Mac = (message: Buffer) => Buffer;

const LIFETIME_MS = 24 * 3_600_000;
const MAX_LENGTH = 2_048;

function sign(mac: Mac, payload: string, binding: unknown): string {
  return mac(Buffer.from(`${payload.length}.${payload}${canonicalJson(binding)}`)).toString('base64url');
}

/** Compares texts, as several of them decode to the same bytes. */
function equal(a: string, b: string): boolean {
  // Hashed first: timingSafeEqual throws on different lengths.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/**
 * An opaque cursor. It is authenticated together with `binding` (route, query, tenant, subject), so that neither
 * another query's nor a tampered one is taken.
 */
export function encodeCursor(mac: Mac, binding: unknown, position: Position, nowMs: number): string {
  const payload = Buffer.from(JSON.stringify([nowMs + LIFETIME_MS, ...position])).toString('base64url');
  return `${payload}.${sign(mac, payload, binding)}`;
}

/** @returns the position, or null when the cursor is not ours, of another query, tampered with or too old */
export function decodeCursor(mac: Mac, binding: unknown, cursor: string, nowMs: number): Position | null {
  if (cursor.length > MAX_LENGTH) return null;
  const [payload = '', tag = '', ...rest] = cursor.split('.');
  if (rest.length > 0 || !equal(sign(mac, payload, binding), tag)) return null;
  const [expires, ...position] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as (string | number)[];
  return typeof expires === 'number' && nowMs < expires ? position : null;
}
