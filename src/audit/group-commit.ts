interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitOptions<T> {
  /** How much is committed together at most; an item that weighs more is committed alone. */
  readonly maxBatch: number;
  /** What an item counts for; 1 unless told. */
  readonly weightOf?: (item: T) => number;
  /** Whether an error may come from one item of the batch, so that the others are worth another try. */
  readonly concernsOne: (error: unknown) => boolean;
}

/**
 * Collects items of concurrent callers and commits them together: one batch in flight, the next one gathers meanwhile,
 * and each caller waits for its own. An item that cannot be committed fails alone.
 */
export class GroupCommit<T> {
  readonly #commit: (items: readonly T[]) => Promise<void>;
  readonly #maxBatch: number;
  readonly #weightOf: (item: T) => number;
  readonly #concernsOne: (error: unknown) => boolean;
  #gathering: Waiting<T>[] = [];
  #inFlight: Promise<void> | null = null;

  constructor(
    commit: (items: readonly T[]) => Promise<void>,
    { maxBatch, weightOf = () => 1, concernsOne }: GroupCommitOptions<T>,
  ) {
    this.#commit = commit;
    this.#maxBatch = maxBatch;
    this.#weightOf = weightOf;
    this.#concernsOne = concernsOne;
  }

  /** Resolves when the item is committed. @throws what `commit` throws for its batch */
  add(item: T): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#gathering.push({ item, resolve, reject });
    this.#inFlight ??= this.#run();
    return promise;
  }

  /** Resolves when nothing is gathered or in flight. */
  async flush(): Promise<void> {
    while (this.#inFlight !== null) await this.#inFlight;
  }

  async #run(): Promise<void> {
    // Callers of the same turn of the event loop join the first batch.
    await Promise.resolve();
    while (this.#gathering.length > 0) await this.#settle(this.#nextBatch());
    this.#inFlight = null;
  }

  #nextBatch(): readonly Waiting<T>[] {
    let weight = 0;
    const end = this.#gathering.findIndex(({ item }) => {
      weight += this.#weightOf(item);
      return weight > this.#maxBatch;
    });
    return this.#gathering.splice(0, end < 0 ? this.#gathering.length : Math.max(1, end));
  }

  async #settle(batch: readonly Waiting<T>[]): Promise<void> {
    try {
      await this.#commit(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length > 1 && this.#concernsOne(error)) for (const each of batch) await this.#settle([each]);
      else for (const { reject } of batch) reject(error);
    }
  }
}
