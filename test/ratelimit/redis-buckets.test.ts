import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { redisBuckets } from '../../src/ratelimit/redis-buckets.ts';
import { connectRedis, type RedisClient } from '../../src/redis/client.ts';
import { logLines } from '../redis/log-lines.ts';
import { redisUrl } from '../support/redis.ts';
import { suite } from '../support/suite.ts';
import { type Singly, singly } from './bucket-harness.ts';

const test = suite('buckets in Redis');
let client: RedisClient;
let direct: Redis;
let store: Singly;
let key: string;

test.before(async () => {
  client = await connectRedis({ url: new Secret(redisUrl()), log: logLines().log });
  direct = new Redis(redisUrl());
  store = singly(redisBuckets(client));
});
test.beforeEach(() => {
  key = `sv:{test}:${randomUUID()}`;
});
test.after(() => {
  direct.disconnect();
  client.close();
});

test('three processes at once get exactly what the bucket holds', async () => {
  const taker = [`${import.meta.dirname}/taker.ts`, redisUrl(), key, '1000', '3400'];
  const runs = await Promise.all([1, 2, 3].map(() => promisify(execFile)(process.execPath, taker)));
  const admitted = runs.map(({ stdout }) => Number(stdout));
  assert.is(
    admitted.reduce((sum, count) => sum + count, 0),
    1_000,
    `of 10,200 requests: ${admitted.join(', ')}`,
  );
  assert.match(String(await direct.get(key)), /^(1000|999\.99\d*) /);
});

test('a key lives until its bucket is full, and no longer', async () => {
  await store.take(key, { perMinute: 60, burst: 100 }, 90);
  const left = await direct.pttl(key);
  assert.ok(left > 85_000 && left <= 90_000, `${left} ms`);
  await store.giveBack(key, { perMinute: 60, burst: 100 }, 90);
  assert.is(await direct.exists(key), 0);
  await store.take(key, { perMinute: 6_000, burst: 100 }, 10);
  await sleep(250);
  assert.is(await direct.exists(key), 0);
});

test('a refusal leaves the key as it is', async () => {
  const rate = { perMinute: 1, burst: 2 };
  await store.take(key, rate, 2);
  const before = await direct.get(key);
  assert.is((await store.take(key, rate, 1)).allowed, false);
  assert.is(await direct.get(key), before);
});

test('a server clock that is set back does not stop the refill', async () => {
  const rate = { perMinute: 6_000, burst: 2 };
  const anHourAhead = (Date.now() + 3_600_000) * 1_000;
  await direct.set(key, `2 ${anHourAhead}`, 'PX', 3_600_000);
  assert.is((await store.take(key, rate, 1)).allowed, false);
  await sleep(50);
  assert.is((await store.take(key, rate, 1)).allowed, true);
});

test('a value that is not ours counts as a full bucket', async () => {
  await direct.set(key, 'something');
  assert.is((await store.take(key, { perMinute: 1, burst: 2 }, 1)).remaining, 1);
});

test('the script works after Redis forgot it', async () => {
  await store.take(key, { perMinute: 1, burst: 9 }, 1);
  await direct.script('FLUSH');
  const taken = await Promise.all([1, 2, 3].map(() => store.take(key, { perMinute: 1, burst: 9 }, 1)));
  assert.equal(taken.map(({ remaining }) => remaining).sort(), [5, 6, 7]);
});

test.run();
