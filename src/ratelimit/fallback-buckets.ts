import type { Log } from '../telemetry/log.ts';
import type { BucketStore, Draw, Rate, Taken } from './buckets.ts';

const PROBE_INTERVAL_MS = 1_000;
// The probe writes, as a request does: a read-only or full Redis answers a PING and still cannot keep a bucket.
const PROBE: Draw = { key: 'sv:{probe}:RATE_LIMIT', rate: { perMinute: 60_000_000, burst: 1_000_000 }, n: 1 };

export interface FallbackOptions {
  readonly shared: BucketStore;
  readonly local: BucketStore;
  /** Processes that share the load, as last known. */
  readonly liveProcesses: () => number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly probeIntervalMs?: number;
}

/**
 * The shared buckets while they answer, this process's own while they do not. The first failure switches over at
 * once, so only requests already under way wait for the time-out; a probe switches back.
 */
export class FallbackBuckets implements BucketStore {
  readonly #options: FallbackOptions;
  #probe: NodeJS.Timeout | null = null;
  #closed = false;
  #fallbacks = 0;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  /** Questions that were answered in process because the shared buckets did not answer. */
  get fallbacks(): number {
    return this.#fallbacks;
  }

  get degraded(): boolean {
    return this.#probe !== null;
  }

  take(draws: readonly Draw[]): Promise<readonly Taken[]> {
    return this.#ask('take', draws);
  }

  peek(draws: readonly Draw[]): Promise<readonly Taken[]> {
    return this.#ask('peek', draws);
  }

  /** Never throws: what cannot be given back comes back with time. */
  async giveBack(draws: readonly Draw[]): Promise<void> {
    const { shared, local } = this.#options;
    if (this.degraded) return local.giveBack(this.#shares(draws));
    await shared.giveBack(draws).catch((error: unknown) => this.#lost(error));
  }

  close(): void {
    this.#closed = true;
    if (this.#probe !== null) clearTimeout(this.#probe);
  }

  async #ask(how: 'take' | 'peek', draws: readonly Draw[]): Promise<readonly Taken[]> {
    const { shared, local } = this.#options;
    if (!this.degraded) {
      try {
        return await shared[how](draws);
      } catch (error) {
        this.#lost(error);
      }
    }
    this.#fallbacks++;
    return local[how](this.#shares(draws));
  }

  #shares(draws: readonly Draw[]): readonly Draw[] {
    const processes = this.#options.liveProcesses();
    return draws.map((draw) => ({ ...draw, rate: shareOf(draw.rate, processes) }));
  }

  #lost(error: unknown): void {
    if (this.degraded) return;
    const reason = error instanceof Error ? error.message : 'unknown error';
    this.#options.log.warn({ reason }, 'rate limits are kept in process until Redis answers again');
    this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    if (this.#closed) return;
    this.#probe = setTimeout(() => void this.#tryAgain(), this.#options.probeIntervalMs ?? PROBE_INTERVAL_MS);
    this.#probe.unref();
  }

  async #tryAgain(): Promise<void> {
    try {
      await this.#options.shared.take([PROBE]);
    } catch {
      this.#scheduleProbe();
      return;
    }
    this.#probe = null;
    this.#options.log.info({ fallbacks: this.#fallbacks }, 'rate limits are kept in Redis again');
  }
}

/** What one of `processes` may admit, so that together they admit about `rate`; at least one request. */
function shareOf(rate: Rate, processes: number): Rate {
  const count = processes >= 1 ? Math.floor(processes) : 1;
  return { perMinute: rate.perMinute / count, burst: Math.max(1, Math.floor(rate.burst / count)) };
}
