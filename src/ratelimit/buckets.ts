/** A token bucket: holds `burst` tokens when full and is refilled continuously. Both above 0. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

/** What is asked of one bucket: `n` tokens, a whole number, 0 or more. */
export interface Draw {
  readonly key: string;
  readonly rate: Rate;
  readonly n: number;
}

/** A bucket after it was asked. */
export interface Taken {
  /** It held enough. Of several that were asked together, tokens were taken only when all did. */
  readonly allowed: boolean;
  /** Tokens that the bucket holds when full. */
  readonly limit: number;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Milliseconds until the bucket is full again, rounded up. */
  readonly resetMs: number;
  /**
   * Milliseconds until the same request will pass, rounded up; 0 when it held enough. One that asks for more than
   * `limit` never will: then it is the time until the bucket is full.
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
   * Takes from several buckets in one step: from all of them, or from none, which changes nothing.
   * @param draws of keys that differ and, in a cluster, share a slot
   * @returns one answer a draw, in their order
   * @throws where the store cannot be reached
   */
  take(draws: readonly Draw[]): Promise<readonly Taken[]>;
  /** What {@link take} would answer; nothing is taken. @throws as {@link take} */
  peek(draws: readonly Draw[]): Promise<readonly Taken[]>;
  /** Returns tokens that were taken and not used; never more than were spent. @throws as {@link take} */
  giveBack(draws: readonly Draw[]): Promise<void>;
}

/** Takes from one bucket. @throws as {@link BucketStore.take} */
export async function takeOne(store: Pick<BucketStore, 'take'>, key: string, rate: Rate, n: number): Promise<Taken> {
  const [taken] = await store.take([{ key, rate, n }]);
  if (taken === undefined) throw new TypeError('a store of buckets has left a draw unanswered');
  return taken;
}

/**
 * Tokens, or milliseconds, that rounding may cost or give. It is far below the finest step that counts, one
 * millisecond's refill at one token a minute (1.7e-5), and far above the error of a double in this range.
 */
export const ROUNDING = 1e-6;
