import { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { HEARTBEAT_MS, type LiveProcesses, liveProcesses } from '../../src/ratelimit/live-processes.ts';
import { connectRedis, type RedisClient } from '../../src/redis/client.ts';
import { logLines } from '../redis/log-lines.ts';
import { type PrivateServer, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';

const test = suite('the number of live processes');
let server: PrivateServer;
let client: RedisClient;
let direct: Redis;

test.before(async () => {
  server = await startPrivateRedis();
});
test.beforeEach(async () => {
  client = await connectRedis({ url: new Secret(server.url), log: logLines().log });
  direct = new Redis(server.url);
  await direct.flushall();
});
test.afterEach(() => {
  direct.disconnect();
  client.close();
});
test.after(() => server.remove());

const processes = (...names: string[]): LiveProcesses[] => names.map((name) => liveProcesses(client, name));
const beat = async (all: readonly LiveProcesses[]) => {
  for (const each of all) await each.beat();
};

/** As if the last beat of a process were so long ago. */
async function silent(name: string, ms: number): Promise<void> {
  const at = Number(await direct.zscore('sv:processes', name));
  await direct.zadd('sv:processes', at - ms, name);
}

test('is one before anybody was heard, and all of them after', async () => {
  const all = processes('a', 'b', 'c');
  assert.equal(
    all.map(({ count }) => count),
    [1, 1, 1],
  );
  await beat(all);
  await beat(all);
  assert.equal(
    all.map(({ count }) => count),
    [3, 3, 3],
  );
});

test('falls when a process leaves, and when one is silent for three beats', async () => {
  const all = processes('a', 'b', 'c');
  const [a, b] = all as [LiveProcesses, LiveProcesses, LiveProcesses];
  await beat(all);
  await b.leave();
  await a.beat();
  assert.is(a.count, 2);
  await silent('c', 2 * HEARTBEAT_MS);
  await a.beat();
  assert.is(a.count, 2, 'late, not dead');
  await silent('c', 2 * HEARTBEAT_MS);
  await a.beat();
  assert.is(a.count, 1);
});

test('is not forgotten with the data of Redis: who comes back first is not alone', async () => {
  const all = processes('a', 'b', 'c');
  const [a, b] = all as [LiveProcesses, LiveProcesses, LiveProcesses];
  await beat(all);
  await beat(all);
  await direct.flushall();
  await a.beat();
  assert.is(a.count, 3, 'last known');
  await b.beat();
  await a.beat();
  assert.is(a.count, 2, 'a beat later it counts who is there');
});

test('stays as last known while Redis is lost', async () => {
  const all = processes('a', 'b');
  await beat(all);
  await beat(all);
  await server.kill();
  await all[0]?.beat();
  assert.is(all[0]?.count, 2);
  await all[0]?.leave();
  await server.start();
});

test('leaves nothing in Redis for ever', async () => {
  await beat(processes('a'));
  const left = await direct.pttl('sv:processes');
  assert.ok(left > 0 && left <= 3 * HEARTBEAT_MS, `${left} ms`);
});

test.run();
