import { ROUNDING } from './buckets.ts';

/**
 * Takes from several buckets in one step on the server, from all or from none; `memory-buckets.ts` is its twin.
 *
 * KEYS: the buckets, each "<tokens spent> <microseconds since the epoch>". ARGV: "take" or "peek", then for each bucket
 * its burst, tokens a minute, tokens to take (below 0: to give back). Answers four numbers a bucket: it held enough (1
 * or 0), whole tokens left, ms until full, ms until it would hold enough.
 *
 * The time is the server's, so the clocks of the replicas do not matter. A key expires when its bucket is full.
 */
export const TAKE_TOKENS = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function ms_to_refill(tokens, per_minute)
  return math.max(0, math.ceil(tokens * 60000 / per_minute - ${ROUNDING}))
end

local buckets, enough = {}, true
for i, key in ipairs(KEYS) do
  local burst, per_minute, n = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local spent, at = 0, now
  local stored_spent, stored_at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if stored_spent then
    -- A limit that was lowered since counts at once.
    spent, at = math.min(burst, tonumber(stored_spent)), tonumber(stored_at)
  end
  spent = math.max(0, spent - math.max(0, now - at) * per_minute / 60000000)
  local holds = spent + n <= burst + ${ROUNDING}
  buckets[i] = { burst = burst, per_minute = per_minute, n = n, spent = spent, at = at, holds = holds }
  enough = enough and holds
end

local taking, reply = enough and ARGV[1] == 'take', {}
for i, key in ipairs(KEYS) do
  local bucket = buckets[i]
  local retry = 0
  if not bucket.holds then
    retry = ms_to_refill(math.min(bucket.spent, bucket.spent + bucket.n - bucket.burst), bucket.per_minute)
  end
  local spent = taking and math.max(0, bucket.spent + bucket.n) or bucket.spent
  local reset = ms_to_refill(spent, bucket.per_minute)
  -- A refusal writes nothing, unless the clock was set back: the bucket would stay as it is until the old time.
  if taking or now < bucket.at then
    if reset == 0 then
      redis.call('DEL', key)
    else
      redis.call('SET', key, string.format('%.17g %.0f', spent, now), 'PX', string.format('%.0f', reset))
    end
  end
  reply[4 * i - 3] = bucket.holds and 1 or 0
  reply[4 * i - 2] = math.max(0, math.floor(bucket.burst - spent + ${ROUNDING}))
  reply[4 * i - 1] = reset
  reply[4 * i] = retry
end
return reply
`;
