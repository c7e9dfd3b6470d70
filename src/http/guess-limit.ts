import { ApiError } from '../contract/errors.ts';
import { type Rate, takeOne } from '../ratelimit/buckets.ts';
import { MemoryBuckets, type MemoryBucketsOptions } from '../ratelimit/memory-buckets.ts';
import { networkOf, type SourceAddress } from './source-address.ts';

/**
 * Limits tokens that fail to verify, for each source address (spec 12, "Source address"). It is asked only after one has
 * failed: a token that verifies is never refused, whoever shares its address. Kept in this process: what it protects
 * is this process.
 */
export class GuessLimit {
  readonly #rate: 'off' | Rate;
  readonly #buckets: MemoryBuckets;

  constructor(rate: 'off' | Rate, options: MemoryBucketsOptions = {}) {
    this.#rate = rate;
    this.#buckets = new MemoryBuckets(options);
  }

  /**
   * Counts a failure. @returns what to answer: the failure itself, or `rate_limited`, the same for every failure. What
   * tells nothing about a token, such as an issuer that cannot be asked, is not counted.
   */
  async judge(failure: unknown, source: SourceAddress): Promise<unknown> {
    if (this.#rate === 'off' || !(failure instanceof ApiError) || failure.status !== 401) return failure;
    const network = networkOf(source.ip ?? source.peer);
    const { allowed, retryAfterMs } = await takeOne(this.#buckets, network, this.#rate, 1);
    if (allowed) return failure;
    return new ApiError('rate_limited', {
      message: 'Too many tokens from your address were not valid. Wait for the seconds in Retry-After.',
      details: { category: 'AUTH_FAILURES' },
      retryAfter: Math.max(1, Math.ceil(retryAfterMs / 1_000)),
      cause: failure,
    });
  }
}
