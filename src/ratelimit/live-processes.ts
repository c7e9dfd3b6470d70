import type { RedisClient } from '../redis/client.ts';

/** How often a process says that it lives, and after how long a silence it is taken for dead. */
export const HEARTBEAT_MS = 5_000;
const DEAD_AFTER_MS = 3 * HEARTBEAT_MS;
const KEY = 'sv:processes';

/**
 * KEYS[1]: sorted set of processes by the ms of their last beat, which is the server's clock. ARGV: this process, ms
 * after which a silent one is forgotten, "beat" or "leave". Answers {1 if it was not in the set, number of processes}.
 */
const BEAT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - tonumber(ARGV[2])))
local joined = 0
if ARGV[3] == 'beat' then
  joined = redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return { joined, redis.call('ZCARD', KEYS[1]) }
`;

/** The processes that serve over the same Redis, counted by heartbeat; for the time when it is lost. */
export interface LiveProcesses {
  /** As last known, this one included; at least 1. */
  readonly count: number;
  /** Says that this process lives, and counts. Never throws: without Redis the count stays as it was. */
  beat(): Promise<void>;
  /** Stops being counted; never throws, as silence says the same a little later. */
  leave(): Promise<void>;
}

export function liveProcesses(redis: RedisClient, instanceId: string): LiveProcesses {
  const script = redis.script('beat', BEAT);
  const say = (what: 'beat' | 'leave') => script([KEY], [instanceId, DEAD_AFTER_MS, what]);
  let count = 1;
  return {
    get count() {
      return count;
    },
    async beat() {
      const reply = await say('beat').catch(() => null);
      if (reply === null) return;
      const [joined, alive] = parseReply(reply);
      // Who comes back to a Redis that has lost its data may be the first one: the others are not dead.
      count = joined ? Math.max(count, alive) : Math.max(1, alive);
    },
    async leave() {
      await say('leave').catch(() => {});
    },
  };
}

function parseReply(reply: unknown): readonly [joined: boolean, alive: number] {
  if (Array.isArray(reply) && reply.length === 2) {
    const [joined, alive] = reply as unknown[];
    if (typeof joined === 'number' && typeof alive === 'number') return [joined === 1, alive];
  }
  throw new TypeError('unexpected reply of the heartbeat script');
}
