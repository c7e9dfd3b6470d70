import { ApiError } from '../../contract/errors.ts';
import { subjectKey } from '../../contract/principal.ts';
import type { RateLimiter } from '../../ratelimit/service.ts';
import type { Limited, Tenanted } from '../exchange.ts';

/** Thrown with the bucket, whose headers the answer carries. */
export class RateLimited extends ApiError {
  readonly bucket: NonNullable<Limited['bucket']>;
  /** Whose bucket it is. */
  readonly owner: string;

  constructor(bucket: NonNullable<Limited['bucket']>, category: string, subject: string) {
    super('rate_limited', { retryAfter: bucket.retryAfterSeconds, details: { category } });
    this.bucket = bucket;
    this.owner = `${category} ${subject}`;
  }
}

/** Stage 5: one token of the caller's bucket for the route's category. */
export async function limit(exchange: Tenanted, limiter: RateLimiter): Promise<Limited> {
  const { category } = exchange.route;
  if (category === null) return { ...exchange, bucket: null };
  const { subject } = exchange.principal;
  // The home tenant's: acting in another tenant opens no second bucket.
  const key = subjectKey(subject);
  const taken = await limiter.take({ tenantId: subject.tenantId, subjectKey: key }, category);
  if ('limited' in taken) return { ...exchange, bucket: null };
  if (!taken.allowed) throw new RateLimited(taken, category, key);
  return { ...exchange, bucket: taken };
}
