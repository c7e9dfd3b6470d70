import { performance } from 'node:perf_hooks';
import { type BucketStore, type Draw, type Rate, ROUNDING, type Taken } from './buckets.ts';

// About 10 MB when full.
const MAX_BUCKETS = 50_000;
// How many of the oldest are looked at to make room for a new one.
const SWEEP = 16;

interface Bucket {
  /** Tokens spent at the time `at`. */
  readonly spent: number;
  readonly at: number;
  readonly fullAt: number;
}

/** A draw, and what its bucket has spent at the moment. */
interface Look extends Draw {
  readonly spent: number;
  readonly holds: boolean;
}

export interface MemoryBucketsOptions {
  /** Milliseconds; must not go back. */
  readonly now?: () => number;
  readonly maxBuckets?: number;
}

/**
 * Buckets of this process alone: for `serve --dev` and for the time without Redis. The arithmetic is that of
 * `bucket.lua.ts`. Memory is bounded: beyond `maxBuckets` full buckets go first, then the one longest not used.
 */
export class MemoryBuckets implements BucketStore {
  readonly #now: () => number;
  readonly #maxBuckets: number;
  /** In the order of use, the longest not used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: MemoryBucketsOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#maxBuckets = options.maxBuckets ?? MAX_BUCKETS;
  }

  get size(): number {
    return this.#buckets.size;
  }

  async take(draws: readonly Draw[]): Promise<readonly Taken[]> {
    const now = this.#now();
    const looks = draws.map((draw) => this.#look(draw, now));
    const taking = looks.every(({ holds }) => holds);
    return looks.map((look) => (taking ? this.#draw(look, now) : levelOf(look)));
  }

  async peek(draws: readonly Draw[]): Promise<readonly Taken[]> {
    const now = this.#now();
    return draws.map((draw) => levelOf(this.#look(draw, now)));
  }

  async giveBack(draws: readonly Draw[]): Promise<void> {
    const now = this.#now();
    for (const draw of draws) this.#draw(this.#look({ ...draw, n: -draw.n }, now), now);
  }

  #look(draw: Draw, now: number): Look {
    const { key, rate, n } = draw;
    const spent = this.#spent(key, rate, now);
    return { ...draw, spent, holds: spent + n <= rate.burst + ROUNDING };
  }

  #draw(look: Look, now: number): Taken {
    const after = { ...look, spent: Math.max(0, look.spent + look.n) };
    const level = levelOf(after);
    this.#store(look.key, { spent: after.spent, at: now, fullAt: now + level.resetMs });
    return level;
  }

  #spent(key: string, rate: Rate, now: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    // A limit that was lowered since counts at once.
    const spent = Math.min(rate.burst, bucket.spent);
    return Math.max(0, spent - (Math.max(0, now - bucket.at) * rate.perMinute) / 60_000);
  }

  #store(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    if (bucket.fullAt <= bucket.at) return;
    if (this.#buckets.size >= this.#maxBuckets) this.#makeRoom(bucket.at);
    this.#buckets.set(key, bucket);
  }

  #makeRoom(now: number): void {
    let looked = 0;
    for (const [key, bucket] of this.#buckets) {
      if (looked++ === SWEEP) break;
      if (bucket.fullAt <= now) this.#buckets.delete(key);
    }
    if (this.#buckets.size < this.#maxBuckets) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

function levelOf({ rate, n, spent, holds }: Look): Taken {
  return {
    allowed: holds,
    limit: rate.burst,
    remaining: Math.max(0, Math.floor(rate.burst - spent + ROUNDING)),
    resetMs: msToRefill(spent, rate),
    retryAfterMs: holds ? 0 : msToRefill(Math.min(spent, spent + n - rate.burst), rate),
  };
}

function msToRefill(tokens: number, rate: Rate): number {
  return Math.max(0, Math.ceil((tokens * 60_000) / rate.perMinute - ROUNDING));
}
