import type { RedisClient } from '../redis/client.ts';
import { TAKE_TOKENS } from './bucket.lua.ts';
import type { BucketStore, Rate } from './buckets.ts';

/** Buckets that all processes share: exact however many of them take at once. */
export function redisBuckets(redis: RedisClient): BucketStore {
  const script = redis.script('takeTokens', TAKE_TOKENS);
  const run = async (key: string, rate: Rate, n: number) =>
    parseReply(await script([key], [rate.burst, rate.perMinute, n]));
  return {
    async take(key, rate, n) {
      const [allowed, remaining, resetMs, retryAfterMs] = await run(key, rate, n);
      return { allowed: allowed === 1, limit: rate.burst, remaining, resetMs, retryAfterMs };
    },
    async giveBack(key, rate, n) {
      await run(key, rate, -n);
    },
  };
}

function parseReply(reply: unknown): [number, number, number, number] {
  if (Array.isArray(reply) && reply.length === 4 && reply.every((part) => typeof part === 'number')) {
    return reply as [number, number, number, number];
  }
  throw new TypeError('unexpected reply of the bucket script');
}
