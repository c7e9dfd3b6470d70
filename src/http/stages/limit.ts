import { ApiError } from '../../contract/errors.ts';
import { subjectKey } from '../../contract/principal.ts';
import type { BucketOwner, Outcome, RateLimiter } from '../../ratelimit/service.ts';
import type { Executed, Limited, Parsed, Reached, Tenanted } from '../exchange.ts';

type Bucket = NonNullable<Limited['bucket']>;

function messageOf({ category, ceiling, limit }: Bucket, needed: number): string | undefined {
  if (needed > limit) {
    return `This call needs ${needed} of ${category} at once, and there are never more than ${limit}. Ask for less at a time.`;
  }
  return ceiling ? 'Your tenant as a whole asks too often. Wait for the seconds in Retry-After.' : undefined;
}

/** Thrown with the bucket, whose headers the answer carries. */
export class RateLimited extends ApiError {
  readonly bucket: Bucket;
  /** Whose bucket it is. */
  readonly owner: string;

  constructor(bucket: Bucket, subject: string, needed: number) {
    const { category, ceiling, retryAfterSeconds: retryAfter } = bucket;
    const message = messageOf(bucket, needed);
    super('rate_limited', {
      retryAfter,
      details: { category, ...(ceiling ? { ceiling: 'tenant' } : {}) },
      ...(message === undefined ? {} : { message }),
    });
    this.bucket = bucket;
    this.owner = `${category} ${subject}`;
  }
}

/** The home tenant's: acting in another tenant opens no second bucket. */
function ownerOf({ principal: { subject } }: Pick<Tenanted, 'principal'>): BucketOwner {
  return { tenantId: subject.tenantId, subjectKey: subjectKey(subject) };
}

/** @throws RateLimited */
function admit(outcome: Outcome, { subjectKey }: BucketOwner, needed: (bucket: Bucket) => number): Bucket | null {
  if ('limited' in outcome) return null;
  if (!outcome.allowed) throw new RateLimited(outcome, subjectKey, needed(outcome));
  return outcome;
}

/**
 * Stage 5: one token of the caller's bucket for the route's category. Where the route counts units its body has to be
 * read before anything can be taken: until then it is only asked whether there is one of each.
 */
export async function limit(exchange: Tenanted, limiter: RateLimiter): Promise<Limited> {
  const { category, units } = exchange.route;
  if (category === null) return { ...exchange, bucket: null, units: null };
  const owner = ownerOf(exchange);
  const outcome =
    units === undefined
      ? await limiter.take(owner, category)
      : await limiter.peek(
          owner,
          [category, units.category].map((each) => ({ category: each, n: 1 })),
        );
  return { ...exchange, bucket: admit(outcome, owner, () => 1), units: null };
}

/** Stage 5, the rest: the one token and the units together, once it is known how many. */
export async function limitUnits(exchange: Parsed, limiter: RateLimiter): Promise<Parsed> {
  const { category, units } = exchange.route;
  if (units === undefined || category === null) return exchange;
  const owner = ownerOf(exchange);
  const taken = { category: units.category, n: units.count(exchange.body) };
  const outcome = await limiter.takeTogether(owner, [{ category, n: 1 }, taken]);
  const bucket = admit(outcome, owner, (short) => (short.category === category ? 1 : taken.n));
  return { ...exchange, bucket, units: taken };
}

/** After the work: gives back the units that were not needed. Before the answer, so that the next call has them. */
export async function settle(exchange: Executed, limiter: RateLimiter): Promise<Executed> {
  const { units, reply } = exchange;
  if (units === null) return exchange;
  const unused = Math.min(units.n, reply.unusedUnits ?? 0);
  if (unused > 0) await limiter.giveBack(ownerOf(exchange), units.category, unused);
  return { ...exchange, units: null };
}

/** After a failure: nothing was returned, so all units go back; what failed before they were counted costs one call. */
export async function settleFailed(reached: Reached, error: ApiError, limiter: RateLimiter): Promise<void> {
  const { principal, route, bucket, units, reply } = reached;
  if (principal === undefined || route?.units === undefined || bucket === undefined || reply !== undefined) return;
  if (error instanceof RateLimited) return;
  const owner = ownerOf({ principal });
  if (units !== null && units !== undefined) await limiter.giveBack(owner, units.category, units.n);
  else if (route.category !== null) await limiter.take(owner, route.category);
}
