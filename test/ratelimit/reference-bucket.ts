import type { Rate, Taken } from '../../src/ratelimit/buckets.ts';

const MINUTE = 60_000n;

/**
 * A token bucket in whole numbers: a token is 60,000 grains, so a millisecond brings `perMinute` grains. It is slow and
 * has no rounding; time is what `wait` says.
 */
export class ReferenceBucket {
  readonly #rate: { readonly perMinute: bigint; readonly burst: bigint };
  #grains: bigint;

  constructor(rate: Rate) {
    this.#rate = { perMinute: BigInt(rate.perMinute), burst: BigInt(rate.burst) };
    this.#grains = this.#full;
  }

  get #full(): bigint {
    return this.#rate.burst * MINUTE;
  }

  wait(ms: number): void {
    for (let i = 0n; i < BigInt(ms) && this.#grains < this.#full; i++) this.#add(this.#rate.perMinute);
  }

  giveBack(n: number): void {
    this.#add(BigInt(n) * MINUTE);
  }

  holds(n: number): boolean {
    return BigInt(n) * MINUTE <= this.#grains;
  }

  take(n: number): Taken {
    const wanted = BigInt(n) * MINUTE;
    const allowed = wanted <= this.#grains;
    const missing = wanted > this.#full ? this.#full - this.#grains : wanted - this.#grains;
    const retryAfterMs = allowed ? 0 : this.#msFor(missing);
    if (allowed) this.#grains -= wanted;
    return {
      allowed,
      limit: Number(this.#rate.burst),
      remaining: Number(this.#grains / MINUTE),
      resetMs: this.#msFor(this.#full - this.#grains),
      retryAfterMs,
    };
  }

  #add(grains: bigint): void {
    this.#grains += grains;
    if (this.#grains > this.#full) this.#grains = this.#full;
  }

  #msFor(grains: bigint): number {
    const { perMinute } = this.#rate;
    return Number((grains + perMinute - 1n) / perMinute);
  }
}
