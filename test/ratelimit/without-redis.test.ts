import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import type { TenantId } from '../../src/contract/names.ts';
import { RATE_CATEGORIES, type RateCategory } from '../../src/contract/route.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Rate } from '../../src/ratelimit/buckets.ts';
import { redisBuckets } from '../../src/ratelimit/redis-buckets.ts';
import {
  type BucketOwner,
  bucketKey,
  createRateLimiter,
  type Limited,
  type RateLimiter,
} from '../../src/ratelimit/service.ts';
import { connectRedis, type RedisClient } from '../../src/redis/client.ts';
import { type LogLines, logLines } from '../redis/log-lines.ts';
import { type PrivateServer, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';

const test = suite('rate limits without Redis');
let server: PrivateServer;
let client: RedisClient;
let limits: RateLimiter;
let logged: LogLines;
let processes: number;

let alice: BucketOwner;
const LOST = 'rate limits are kept in process until Redis answers again';
const BACK = 'rate limits are kept in Redis again';
const TEN: Rate = { perMinute: 1, burst: 10 };
const RATES = Object.fromEntries(RATE_CATEGORIES.map((name) => [name, TEN])) as Record<RateCategory, Rate>;

async function limitsOver(url: string): Promise<void> {
  client = await connectRedis({ url: new Secret(url), log: logLines().log });
  logged = logLines();
  processes = 1;
  limits = createRateLimiter({
    store: redisBuckets(client),
    rates: RATES,
    liveProcesses: () => processes,
    log: logged.log,
    probeIntervalMs: 100,
  });
}

async function disconnect(): Promise<void> {
  await limits.close();
  client.close();
}

test.beforeEach(async () => {
  alice = { tenantId: 'acme' as TenantId, subjectKey: randomUUID() };
  server = await startPrivateRedis();
  await limitsOver(server.url);
});
test.afterEach(async () => {
  await disconnect();
  await server.remove();
});

async function admitted(category: RateCategory, requests: number): Promise<number> {
  const taken = await Promise.all(Array.from({ length: requests }, () => limits.take(alice, category)));
  return taken.filter((result) => (result as Limited).allowed).length;
}

async function recovered(): Promise<void> {
  for (let i = 0; limits.degraded; i++) {
    if (i === 400) throw new Error('still degraded');
    await sleep(20);
  }
}

test('killed: requests go on under limits of this process; restarted: back in Redis', async () => {
  assert.is(await admitted('LIST', 7), 7);
  assert.is(limits.degraded, false);

  await server.kill();
  assert.is(await admitted('LIST', 30), 10, 'a full bucket of our own');
  assert.is(await admitted('LIST', 30), 0, 'and it holds');
  assert.is(limits.degraded, true);
  assert.is(limits.fallbacks, 60);

  await server.start();
  await recovered();
  assert.is(await admitted('POLICY', 12), 10);
  const direct = new Redis(server.url);
  assert.is(await direct.exists(bucketKey(alice, 'POLICY')), 1);
  direct.disconnect();
  assert.is(limits.fallbacks, 60);
  assert.equal(
    logged.lines.map((line) => line.msg),
    [LOST, BACK],
  );
});

test('killed in the middle of many requests: every one is answered', async () => {
  const results: Promise<unknown>[] = [];
  for (let i = 0; i < 400; i++) {
    if (i === 200) void server.kill();
    results.push(limits.take(alice, 'AUTH'));
    if (i % 20 === 0) await sleep(1);
  }
  const answers = (await Promise.all(results)) as Limited[];
  const passed = answers.filter(({ allowed }) => allowed).length;
  assert.ok(passed >= 10 && passed <= 20, `${passed}: one bucket there, one here`);
});

test('frozen: the first requests wait for the time-out, the next ones for nothing', async () => {
  await limits.take(alice, 'LIST');
  await server.freeze();
  let start = performance.now();
  assert.is(await admitted('LIST', 30), 10);
  let ms = performance.now() - start;
  assert.ok(ms > 400 && ms < 1_000, `${ms} ms`);
  start = performance.now();
  await admitted('LIST', 100);
  ms = performance.now() - start;
  assert.ok(ms < 100, `${ms} ms`);
  await server.thaw();
  await recovered();
  assert.equal(
    logged.lines.map((line) => line.msg),
    [LOST, BACK],
  );
});

test('the rate is shared by the processes that are known to live', async () => {
  await server.kill();
  processes = 3;
  const taken = (await limits.take(alice, 'LIST')) as Limited;
  assert.is(taken.limit, 3);
  assert.is(await admitted('LIST', 30), 2);
  processes = 50;
  assert.is(await admitted('POLICY', 30), 1, 'at least one');
  for (const nonsense of [0, -1, Number.NaN]) {
    processes = nonsense;
    assert.is(((await limits.take(alice, 'AUTH', 0)) as Limited).limit, 10);
  }
});

test('a Redis that answers but does not let us write counts as lost, without going back and forth', async () => {
  await disconnect();
  const direct = new Redis(server.url);
  const user = `test-${randomUUID()}`;
  await direct.acl('SETUSER', user, 'on', '>password', '~*', '+@all', '-set');
  await limitsOver(Object.assign(new URL(server.url), { username: user, password: 'password' }).href);
  await limits.take(alice, 'LIST');
  await sleep(500);
  assert.is(limits.degraded, true);
  assert.is(logged.lines.length, 1);
  await direct.acl('SETUSER', user, '+set');
  await recovered();
  assert.is(logged.lines.length, 2);
  await direct.acl('DELUSER', user);
  direct.disconnect();
});

test('giving back while Redis is lost never fails', async () => {
  await limits.take(alice, 'LIST', 5);
  await server.kill();
  await limits.giveBack(alice, 'LIST', 5);
  assert.is(limits.degraded, true);
  await limits.take(alice, 'LIST', 10);
  await limits.giveBack(alice, 'LIST', 4);
  assert.is(((await limits.take(alice, 'LIST', 0)) as Limited).remaining, 4);
});

test.run();
