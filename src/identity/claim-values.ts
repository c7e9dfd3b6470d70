/**
 * Typed values out of a token's claims. A claim that is absent or null is nothing; one of another JSON type than it
 * should have makes the token invalid: guessing what it means is how a string that looks like a list grants rights.
 */
import { refuseToken } from './refusals.ts';
import type { ClaimPath, Claims } from './types.ts';

export const MAX_TEXT = 255;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/**
 * A text that may be kept, shown and compared: no control characters, and no lone surrogate, which UTF-8 replaces so
 * that two different texts would be stored as one.
 */
export function isText(value: unknown, max: number = MAX_TEXT): value is string {
  return (
    typeof value === 'string' && value.length > 0 && value.length <= max && value.isWellFormed() && !CONTROL.test(value)
  );
}

/** The value that a path leads to; undefined where it leads nowhere, null counts as nowhere. */
export function claimAt(claims: Claims, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value ?? undefined;
}

function nameOf(path: ClaimPath): string {
  return path.join('/');
}

export function textAt(claims: Claims, path: ClaimPath): string | null {
  const value = claimAt(claims, path);
  if (value === undefined) return null;
  if (!isText(value)) throw refuseToken(`claim ${nameOf(path)} is not a text of at most ${MAX_TEXT} characters`);
  return value;
}

export function booleanAt(claims: Claims, path: ClaimPath): boolean | null {
  const value = claimAt(claims, path);
  if (value === undefined) return null;
  if (typeof value !== 'boolean') throw refuseToken(`claim ${nameOf(path)} is not true or false`);
  return value;
}

/** A list of texts; a single text is a list of one. Null when the claim is absent. */
export function textsAt(claims: Claims, path: ClaimPath, max: number): readonly string[] | null {
  const value = claimAt(claims, path);
  if (value === undefined) return null;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > max) throw refuseToken(`claim ${nameOf(path)} has more than ${max} entries`);
  if (!list.every((entry) => isText(entry))) throw refuseToken(`claim ${nameOf(path)} is not a list of texts`);
  return list as readonly string[];
}

/** A NumericDate (seconds) or an ISO 8601 text, as milliseconds since the epoch. */
export function timeAt(claims: Claims, path: ClaimPath): number | null {
  const value = claimAt(claims, path);
  if (value === undefined) return null;
  const ms = typeof value === 'number' ? value * 1000 : isText(value) ? isoTime(value) : Number.NaN;
  if (!Number.isFinite(ms) || Math.abs(ms) > LATEST_MS) throw refuseToken(`claim ${nameOf(path)} is not a time`);
  return Math.floor(ms);
}

const LATEST_MS = 253_402_300_799_000;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

function isoTime(text: string): number {
  return ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
}
