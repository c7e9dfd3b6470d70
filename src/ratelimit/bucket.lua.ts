import { ROUNDING } from './buckets.ts';

/**
 * Takes from one bucket in one step on the server; `memory-buckets.ts` is its twin.
 *
 * KEYS[1]: the bucket, "<tokens spent> <microseconds since the epoch>". ARGV: burst, tokens a minute, tokens to take
 * (below 0: to give back). Answers {taken 1 or 0, whole tokens left, ms until full, ms until it would pass}.
 *
 * The time is the server's, so the clocks of the replicas do not matter. The key expires when the bucket is full.
 */
export const TAKE_TOKENS = `
local burst, per_minute, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function ms_to_refill(tokens)
  return math.max(0, math.ceil(tokens * 60000 / per_minute - ${ROUNDING}))
end

local spent, at = 0, now
local stored_spent, stored_at = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S+)$')
if stored_spent then
  -- A limit that was lowered since counts at once.
  spent, at = math.min(burst, tonumber(stored_spent)), tonumber(stored_at)
end
spent = math.max(0, spent - math.max(0, now - at) * per_minute / 60000000)

local allowed = spent + n <= burst + ${ROUNDING}
local retry = 0
if allowed then
  spent = math.max(0, spent + n)
else
  retry = ms_to_refill(math.min(spent, spent + n - burst))
end
local reset = ms_to_refill(spent)

-- A refusal writes nothing, unless the clock was set back: the bucket would stay as it is until the old time.
if allowed or now < at then
  if reset == 0 then
    redis.call('DEL', KEYS[1])
  else
    redis.call('SET', KEYS[1], string.format('%.17g %.0f', spent, now), 'PX', string.format('%.0f', reset))
  end
end
return { allowed and 1 or 0, math.max(0, math.floor(burst - spent + ${ROUNDING})), reset, retry }
`;
