/** A token bucket: holds `burst` tokens when full and is refilled continuously. Both above 0. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

export interface Taken {
  /** All tokens were taken, or none. */
  readonly allowed: boolean;
  /** Tokens that the bucket holds when full. */
  readonly limit: number;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Milliseconds until the bucket is full again, rounded up. */
  readonly resetMs: number;
  /**
   * Milliseconds until the same request will pass, rounded up; 0 when it passed. One that asks for more than `limit`
   * never will: then it is the time until the bucket is full.
   */
  readonly retryAfterMs: number;
}

/**
 * Where buckets are kept. A bucket that is not there is full.
 *
 * Both implementations keep the tokens *spent* and the time of that figure, because whole tokens then stay whole
 * numbers however far the clock is from its epoch.
 */
export interface BucketStore {
  /**
   * Takes `n` tokens together or none; `n` is a whole number, 0 or more. A refusal changes nothing.
   * @throws where the store cannot be reached
   */
  take(key: string, rate: Rate, n: number): Promise<Taken>;
  /** Returns tokens that were taken and not used; never more than were spent. @throws as {@link take} */
  giveBack(key: string, rate: Rate, n: number): Promise<void>;
}

/**
 * Tokens, or milliseconds, that rounding may cost or give. It is far below the finest step that counts, one
 * millisecond's refill at one token a minute (1.7e-5), and far above the error of a double in this range.
 */
export const ROUNDING = 1e-6;
