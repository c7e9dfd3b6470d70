/** Rate limits (spec 04): a token bucket for each subject and category, and ceilings for whole tenants. */
import { LRUCache } from 'lru-cache';
import type { TenantId } from '../contract/names.ts';
import { subjectDigest } from '../contract/principal.ts';
import type { RateCategory } from '../contract/route.ts';
import type { Log } from '../telemetry/log.ts';
import type { BucketStore, Draw, Rate, Taken } from './buckets.ts';
import { FallbackBuckets } from './fallback-buckets.ts';
import { MemoryBuckets } from './memory-buckets.ts';

/** Whose bucket: the subject and its *home* tenant, whichever tenant the request works in. */
export interface BucketOwner {
  readonly tenantId: TenantId;
  /** A text that no two subjects share (`subjectKey` of the contract). */
  readonly subjectKey: string;
}

/** Tokens of one category. */
export interface Want {
  readonly category: RateCategory;
  readonly n: number;
}

/** The bucket that the answer speaks of: what the headers need. */
export interface Limited {
  readonly allowed: boolean;
  readonly category: RateCategory;
  /** Whether it is the ceiling of the whole tenant. */
  readonly ceiling: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds when the bucket is full again, rounded up. */
  readonly resetSeconds: number;
  /** Rounded up, at least 1; 0 when the request is allowed. */
  readonly retryAfterSeconds: number;
}

/** `off`: there is no limit, hence no headers. */
export type Outcome = { readonly limited: 'off' } | Limited;

export interface RateLimiter {
  /** Takes `n` tokens (1 if not said) together or none. */
  take(owner: BucketOwner, category: RateCategory, n?: number): Promise<Outcome>;
  /**
   * Takes tokens of several categories, of all or of none. The answer speaks of the first that has a limit; a refusal
   * of the bucket that was short, and of several of the one that is so for longest.
   */
  takeTogether(owner: BucketOwner, wants: readonly Want[]): Promise<Outcome>;
  /** What {@link takeTogether} would answer; nothing is taken. */
  peek(owner: BucketOwner, wants: readonly Want[]): Promise<Outcome>;
  /** Returns tokens of a request that did less than it had asked for. */
  giveBack(owner: BucketOwner, category: RateCategory, n: number): Promise<void>;
  /** Whether limits are kept in process because Redis does not answer. */
  readonly degraded: boolean;
  /** Requests limited in process because Redis did not answer, since the start. */
  readonly fallbacks: number;
  close(): Promise<void>;
}

export type Rates = Readonly<Record<RateCategory, 'off' | Rate>>;

export interface RateLimiterOptions {
  /** The shared buckets; null: one process, which keeps its own (`serve --dev`). */
  readonly store: BucketStore | null;
  readonly rates: Rates;
  /** What all subjects of a home tenant may do together; none unless given. */
  readonly ceilings?: Rates;
  /** Processes that share the load, as last known; for the time without Redis. */
  readonly liveProcesses?: () => number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly probeIntervalMs?: number;
}

/** A draw that knows what it is for. */
interface Claim extends Draw {
  readonly category: RateCategory;
  readonly ceiling: boolean;
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { rates, ceilings = null, now = Date.now } = options;
  const local = new MemoryBuckets();
  const fallback = options.store === null ? null : withFallback(options.store, local, options);
  const buckets: BucketStore = fallback ?? local;

  /** The subject's own buckets, which share a slot, and those of its tenant, which share another one. */
  function claims(owner: BucketOwner, wants: readonly Want[]): { own: readonly Claim[]; above: readonly Claim[] } {
    for (const { n } of wants) checkTokens(n);
    const of = (table: Rates | null, keyOf: (category: RateCategory) => string, ceiling: boolean) =>
      wants.flatMap(({ category, n }): readonly Claim[] => {
        const rate = table?.[category] ?? 'off';
        return rate === 'off' ? [] : [{ key: keyOf(category), rate, n, category, ceiling }];
      });
    return {
      own: of(rates, (category) => bucketKey(owner, category), false),
      above: of(ceilings, (category) => ceilingKey(owner.tenantId, category), true),
    };
  }

  /**
   * The subject first: who is over its own limit takes nothing from the others of its tenant. Where the tenant is short
   * the subject gets its tokens back.
   */
  async function ask(how: 'take' | 'peek', owner: BucketOwner, wants: readonly Want[]): Promise<Outcome> {
    const { own, above } = claims(owner, wants);
    const answers: Limited[] = [];
    for (const group of [own, above]) {
      if (group.length === 0) continue;
      const taken = await buckets[how](group);
      const limits = group.map((claim, index) => describe(claim, taken[index], now()));
      const short = longestWait(limits);
      if (short !== null) {
        if (group === above && how === 'take' && own.length > 0) await buckets.giveBack(own);
        return short;
      }
      answers.push(...limits);
    }
    return answers[0] ?? { limited: 'off' };
  }

  return {
    take: (owner, category, n = 1) => ask('take', owner, [{ category, n }]),
    takeTogether: (owner, wants) => ask('take', owner, wants),
    peek: (owner, wants) => ask('peek', owner, wants),
    async giveBack(owner, category, n) {
      const { own, above } = claims(owner, [{ category, n }]);
      for (const group of [own, above]) if (group.length > 0) await buckets.giveBack(group);
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
 * hashed: its own text may hold braces and colons.
 */
export function bucketKey({ tenantId, subjectKey }: BucketOwner, category: RateCategory): string {
  const known = hashedSubjects.get(subjectKey);
  const subject = known ?? subjectDigest(subjectKey).toString('base64url');
  if (known === undefined) hashedSubjects.set(subjectKey, subject);
  return `sv:{${tenantId}:${subject}}:${category}`;
}

const hashedSubjects = new LRUCache<string, string>({ max: 10_000 });

/** A tenant's id has no colon, so no subject's bucket is called so. */
function ceilingKey(tenantId: TenantId, category: RateCategory): string {
  return `sv:{${tenantId}}:${category}`;
}

/** Anything else is a defect of the caller, and must not reach the arithmetic. */
function checkTokens(n: number): void {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`not a number of tokens: ${n}`);
}

function longestWait(limits: readonly Limited[]): Limited | null {
  const short = limits.filter(({ allowed }) => !allowed);
  return short.sort((a, b) => b.retryAfterSeconds - a.retryAfterSeconds)[0] ?? null;
}

function describe({ category, ceiling }: Claim, taken: Taken | undefined, nowMs: number): Limited {
  if (taken === undefined) throw new TypeError('a store of buckets has left a draw unanswered');
  return {
    allowed: taken.allowed,
    category,
    ceiling,
    limit: taken.limit,
    remaining: taken.remaining,
    resetSeconds: Math.ceil((nowMs + taken.resetMs) / 1_000),
    retryAfterSeconds: taken.allowed ? 0 : Math.max(1, Math.ceil(taken.retryAfterMs / 1_000)),
  };
}
