import { randomFillSync } from 'node:crypto';

/** Prefixes of the ids that we make (spec 00). Identities come from the identity provider and have none of these. */
export type IdPrefix = 'req' | 'log' | 'evt' | 'pol' | 'bnd' | 'rk' | 'pk' | 'tk' | 'sec' | 'ins';

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;

let lastMs = -1;
const lastRandom = new Uint8Array(RANDOM_CHARS);
// Random bytes are drawn in blocks: one system call serves 64 ids.
const pool = new Uint8Array(RANDOM_CHARS * 64);
let poolAt = pool.length;

function drawRandom(): void {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  for (let i = 0; i < RANDOM_CHARS; i++) lastRandom[i] = (pool[poolAt + i] ?? 0) & 31;
  poolAt += RANDOM_CHARS;
}

/** Adds one to the 80 random bits, read as base-32 digits. An overflow (2^80 ids in a millisecond) wraps. */
function increment(): void {
  for (let i = RANDOM_CHARS - 1; i >= 0; i--) {
    const digit = lastRandom[i] ?? 0;
    if (digit < 31) {
      lastRandom[i] = digit + 1;
      return;
    }
    lastRandom[i] = 0;
  }
}

/**
 * A lower-case 26-character ULID, monotonic within the process: a later call sorts after an earlier one, also within
 * one millisecond and when the clock steps back. Source: https://github.com/ulid/spec
 */
export function ulid(nowMs: number = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    drawRandom();
  } else {
    increment();
  }
  let time = lastMs;
  let text = '';
  for (let i = 0; i < TIME_CHARS; i++) {
    text = CROCKFORD.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  for (const digit of lastRandom) text += CROCKFORD.charAt(digit);
  return text;
}

/** `newId('pol')` is `pol_01hk7x9z...`. */
export function newId<P extends IdPrefix>(prefix: P): `${P}_${string}` {
  return `${prefix}_${ulid()}`;
}
