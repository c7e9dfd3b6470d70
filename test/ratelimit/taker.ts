/** A process that takes tokens as fast as it can: `taker.ts URL KEY BURST TAKES`; prints how many it got. */
import { Secret } from '../../src/lib/secret.ts';
import { takeOne } from '../../src/ratelimit/buckets.ts';
import { redisBuckets } from '../../src/ratelimit/redis-buckets.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { logLines } from '../redis/log-lines.ts';

const [url = '', key = '', burst, takes] = process.argv.slice(2);
const client = await connectRedis({ url: new Secret(url), log: logLines().log, commandTimeoutMs: 20_000 });
const store = redisBuckets(client);
const rate = { perMinute: 0.001, burst: Number(burst) };
const taken = await Promise.all(Array.from({ length: Number(takes) }, () => takeOne(store, key, rate, 1)));
client.close();
console.log(taken.filter(({ allowed }) => allowed).length);
