/** The two kinds of buckets behind one face, with time that a test can move on. */
import { Redis } from 'ioredis';
import { Secret } from '../../src/lib/secret.ts';
import { type BucketStore, type Rate, type Taken, takeOne } from '../../src/ratelimit/buckets.ts';
import { MemoryBuckets } from '../../src/ratelimit/memory-buckets.ts';
import { redisBuckets } from '../../src/ratelimit/redis-buckets.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { logLines } from '../redis/log-lines.ts';
import { redisUrl } from '../support/redis.ts';

/** A store of buckets, asked for one at a time. */
export interface Singly {
  take(key: string, rate: Rate, n: number): Promise<Taken>;
  giveBack(key: string, rate: Rate, n: number): Promise<void>;
}

export function singly(store: BucketStore): Singly {
  return {
    take: (key, rate, n) => takeOne(store, key, rate, n),
    giveBack: (key, rate, n) => store.giveBack([{ key, rate, n }]),
  };
}

export interface Harness {
  readonly store: BucketStore;
  /** Lets `ms` go by for these buckets. */
  advance(keys: string | readonly string[], ms: number): Promise<void>;
  close(): Promise<void>;
}

export async function memoryHarness(): Promise<Harness> {
  let now = 1_000;
  return {
    store: new MemoryBuckets({ now: () => now }),
    advance: async (_keys, ms) => {
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
    advance: async (keys, ms) => {
      for (const key of [keys].flat()) {
        const [spent, at] = (await direct.get(key))?.split(' ') ?? [];
        if (spent !== undefined) await direct.set(key, `${spent} ${Number(at) - ms * 1_000}`, 'KEEPTTL');
      }
    },
    close: async () => {
      direct.disconnect();
      client.close();
    },
  };
}
