/** Rate limits (spec 04): a token bucket for each subject and category. */
import { hash } from 'node:crypto';
import type { TenantId } from '../contract/names.ts';
import type { RateCategory } from '../contract/route.ts';
import type { Log } from '../telemetry/log.ts';
import type { BucketStore, Rate, Taken } from './buckets.ts';
import { FallbackBuckets } from './fallback-buckets.ts';
import { MemoryBuckets } from './memory-buckets.ts';

/** Whose bucket: the subject and its *home* tenant, whichever tenant the request works in. */
export interface BucketOwner {
  readonly tenantId: TenantId;
  /** A text that no two subjects share (`subjectKey` of the contract). */
  readonly subjectKey: string;
}

/** What the headers need. */
export interface Limited {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds when the bucket is full again, rounded up. */
  readonly resetSeconds: number;
  /** Rounded up, at least 1; 0 when the request is allowed. */
  readonly retryAfterSeconds: number;
}

export interface RateLimiter {
  /** Takes `n` tokens (1 if not said) together or none. `off`: the category has no limit, hence no headers. */
  take(owner: BucketOwner, category: RateCategory, n?: number): Promise<{ readonly limited: 'off' } | Limited>;
  /** Returns tokens of a request that did less than it had asked for. */
  giveBack(owner: BucketOwner, category: RateCategory, n: number): Promise<void>;
  /** Whether limits are kept in process because Redis does not answer. */
  readonly degraded: boolean;
  /** Requests limited in process because Redis did not answer, since the start. */
  readonly fallbacks: number;
  close(): Promise<void>;
}

export interface RateLimiterOptions {
  /** The shared buckets; null: one process, which keeps its own (`serve --dev`). */
  readonly store: BucketStore | null;
  readonly rates: Readonly<Record<RateCategory, 'off' | Rate>>;
  /** Processes that share the load, as last known; for the time without Redis. */
  readonly liveProcesses?: () => number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly probeIntervalMs?: number;
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { rates, now = Date.now } = options;
  const local = new MemoryBuckets();
  const fallback = options.store === null ? null : withFallback(options.store, local, options);
  const buckets: BucketStore = fallback ?? local;
  return {
    async take(owner, category, n = 1) {
      checkTokens(n);
      const rate = rates[category];
      if (rate === 'off') return { limited: 'off' };
      return inSeconds(await buckets.take(bucketKey(owner, category), rate, n), now());
    },
    async giveBack(owner, category, n) {
      checkTokens(n);
      const rate = rates[category];
      if (rate !== 'off') await buckets.giveBack(bucketKey(owner, category), rate, n);
    },
    get degraded() {
      return fallback?.degraded ?? false;
    },
    get fallbacks() {
      return fallback?.fallbacks ?? 0;
    },
    async close() {
      fallback?.close();
    },
  };
}

function withFallback(shared: BucketStore, local: BucketStore, options: RateLimiterOptions): FallbackBuckets {
  const { liveProcesses = () => 1, log, probeIntervalMs } = options;
  return new FallbackBuckets({
    shared,
    local,
    liveProcesses,
    log,
    ...(probeIntervalMs === undefined ? {} : { probeIntervalMs }),
  });
}

/**
 * `sv:{<tenant>:<subject>}:CATEGORY`; the braces keep all buckets of a subject in one slot of a cluster. The subject is
 * hashed: it comes from a token, so it may hold braces and colons, be long, or be an address nobody wants in Redis.
 * UTF-16 keeps lone surrogates apart, which UTF-8 would all turn into the same character.
 */
export function bucketKey(owner: BucketOwner, category: RateCategory): string {
  const subject = hash('sha256', Buffer.from(owner.subjectKey, 'utf16le'), 'base64url');
  return `sv:{${owner.tenantId}:${subject}}:${category}`;
}

/** Anything else is a defect of the caller, and must not reach the arithmetic. */
function checkTokens(n: number): void {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`not a number of tokens: ${n}`);
}

function inSeconds(taken: Taken, nowMs: number): Limited {
  return {
    allowed: taken.allowed,
    limit: taken.limit,
    remaining: taken.remaining,
    resetSeconds: Math.ceil((nowMs + taken.resetMs) / 1_000),
    retryAfterSeconds: taken.allowed ? 0 : Math.max(1, Math.ceil(taken.retryAfterMs / 1_000)),
  };
}
