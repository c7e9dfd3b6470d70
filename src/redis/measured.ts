import type { RedisClient } from './client.ts';

/** The same client; `observe` is told how many seconds each script took, failed ones included. */
export function measuredRedis(redis: RedisClient, observe: (seconds: number) => void): RedisClient {
  return {
    get status() {
      return redis.status;
    },
    ping: () => redis.ping(),
    script: (name, lua) => {
      const run = redis.script(name, lua);
      return async (keys, args) => {
        const sent = performance.now();
        try {
          return await run(keys, args);
        } finally {
          observe((performance.now() - sent) / 1000);
        }
      };
    },
    close: () => redis.close(),
  };
}
