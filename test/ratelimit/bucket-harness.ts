/** The two kinds of buckets behind one face, with time that a test can move on. */
import { Redis } from 'ioredis';
import { Secret } from '../../src/lib/secret.ts';
import type { BucketStore } from '../../src/ratelimit/buckets.ts';
import { MemoryBuckets } from '../../src/ratelimit/memory-buckets.ts';
import { redisBuckets } from '../../src/ratelimit/redis-buckets.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { logLines } from '../redis/log-lines.ts';
import { redisUrl } from '../support/redis.ts';

export interface Harness {
  readonly store: BucketStore;
  /** Lets `ms` go by for this bucket. */
  advance(key: string, ms: number): Promise<void>;
  close(): Promise<void>;
}

export async function memoryHarness(): Promise<Harness> {
  let now = 1_000;
  return {
    store: new MemoryBuckets({ now: () => now }),
    advance: async (_key, ms) => {
      now += ms;
    },
    close: async () => undefined,
  };
}

/** Real time goes by as well; the rates in the tests are slow enough for it not to matter. */
export async function redisHarness(): Promise<Harness> {
  const client = await connectRedis({ url: new Secret(redisUrl()), log: logLines().log });
  const direct = new Redis(redisUrl());
  return {
    store: redisBuckets(client),
    advance: async (key, ms) => {
      const [spent, at] = (await direct.get(key))?.split(' ') ?? [];
      if (spent !== undefined) await direct.set(key, `${spent} ${Number(at) - ms * 1_000}`, 'KEEPTTL');
    },
    close: async () => {
      direct.disconnect();
      client.close();
    },
  };
}
