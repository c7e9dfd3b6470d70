import type { RedisClient } from '../redis/client.ts';
import { TAKE_TOKENS } from './bucket.lua.ts';
import type { BucketStore, Draw, Taken } from './buckets.ts';

/** Numbers that the script answers for each bucket. */
const FIELDS = 4;

/** Buckets that all processes share: exact however many of them take at once. */
export function redisBuckets(redis: RedisClient): BucketStore {
  const script = redis.script('takeTokens', TAKE_TOKENS);
  const run = async (mode: 'take' | 'peek', draws: readonly Draw[]): Promise<readonly Taken[]> => {
    const keys = draws.map(({ key }) => key);
    const numbers = draws.flatMap(({ rate, n }) => [rate.burst, rate.perMinute, n]);
    const reply = parseReply(await script(keys, [mode, ...numbers]), draws.length);
    return draws.map(({ rate }, index) => takenOf(reply.slice(index * FIELDS), rate.burst));
  };
  return {
    take: (draws) => run('take', draws),
    peek: (draws) => run('peek', draws),
    async giveBack(draws) {
      await run(
        'take',
        draws.map((draw) => ({ ...draw, n: -draw.n })),
      );
    },
  };
}

function takenOf(reply: readonly number[], limit: number): Taken {
  const [holds = 0, remaining = 0, resetMs = 0, retryAfterMs = 0] = reply;
  return { allowed: holds === 1, limit, remaining, resetMs, retryAfterMs };
}

function parseReply(reply: unknown, buckets: number): readonly number[] {
  const sound = Array.isArray(reply) && reply.length === buckets * FIELDS;
  if (sound && reply.every((part) => typeof part === 'number')) return reply;
  throw new TypeError('unexpected reply of the bucket script');
}
