/** Requests over HTTP to several `scaivault serve`, counted one by one. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { killAll, type Serving, serving } from '../serve/serving.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { type PrivateServer, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';

const SCALE = Number(process.env.DRILL_SCALE ?? '1');
const REQUESTS = Math.max(3_000, Math.round(10_000 * SCALE));
const PROCESSES = 3;
const IN_FLIGHT = 40;
const BURST = 1_000;

const test = suite('a limit over several processes', { timeoutMs: 120_000 + 60_000 * SCALE });
let environment: TestEnvironment;
let redis: PrivateServer;
let servers: Serving[];
const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

test.before(async () => {
  redis = await startPrivateRedis();
  // One a minute: what flows in during the test can be counted on one hand.
  environment = await testEnvironment({ REDIS_URL: redis.url, RATE_LIMIT_AUTH: `1/min:${BURST}` });
  servers = await Promise.all(Array.from({ length: PROCESSES }, () => serving(environment)));
});
test.after(async () => {
  agent.destroy();
  await killAll();
  await environment.remove();
  await redis.remove();
});

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
}

function whoami(url: string, token: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request(
      `${url}/v1/auth/whoami`,
      { agent, headers: { authorization: `Bearer ${token}` } },
      (response) => {
        response.resume();
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      },
    );
    asked.once('error', reject);
    asked.end();
  });
}

/** Fires `count` requests at the processes in turn and returns what came. */
async function fire(count: number, token: string, during: (done: number) => void = () => {}): Promise<Answered[]> {
  const answers: Answered[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const server = servers[next++ % PROCESSES]!;
      answers.push(await whoami(server.url, token));
      during(answers.length);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return answers;
}

function count(answers: readonly Answered[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('admits exactly the burst and what flowed in meanwhile', async () => {
  const token = servers[0]!.token({ sub: 'usr_exact' });
  const start = performance.now();
  const answers = await fire(REQUESTS, token);
  const minutes = (performance.now() - start) / 60_000;
  const { 200: passed = 0, 429: refused = 0 } = count(answers);
  assert.is(passed + refused, REQUESTS, JSON.stringify(count(answers)));
  assert.ok(passed >= BURST && passed <= BURST + Math.ceil(minutes), `${passed} passed in ${minutes} minutes`);
  for (const { status, headers } of answers) {
    assert.is(headers['x-ratelimit-limit'], String(BURST));
    assert.match(String(headers['x-ratelimit-remaining']), /^\d+$/);
    assert.match(String(headers['x-ratelimit-reset']), /^\d{10}$/);
    assert.is(headers['retry-after'] !== undefined, status === 429);
  }
  const seen = answers.filter(({ status }) => status === 200).map(({ headers }) => headers['x-ratelimit-remaining']);
  assert.is(new Set(seen).size, BURST, 'every count of what is left was told once');
});

test('holds as the sum of shares when Redis is lost under load, and exactly again when it is back', async () => {
  const token = servers[0]!.token({ sub: 'usr_lossy' });
  // Each process knows the number of the others from its second heartbeat on.
  await sleep(6_000);
  let killed: Promise<void> | null = null;
  const answers = await fire(REQUESTS, token, (done) => {
    if (done >= 300) killed ??= redis.kill();
  });
  await killed;
  const counts = count(answers);
  const passed = counts[200] ?? 0;
  assert.is(passed + (counts[429] ?? 0), REQUESTS, `nothing but 200 and 429: ${JSON.stringify(counts)}`);
  // Some were let in by Redis before its end, then each process had a full share of its own.
  const shares = PROCESSES * Math.floor(BURST / PROCESSES);
  assert.ok(passed >= shares && passed <= BURST + shares, `${passed} passed`);
  const last = answers.at(-1)!;
  assert.is(last.headers['x-ratelimit-limit'], String(Math.floor(BURST / PROCESSES)));
  for (const server of servers) {
    assert.match(server.process.stdout(), 'rate limits are kept in process until Redis answers again');
  }

  await redis.start();
  for (const server of servers) await server.process.says('rate limits are kept in Redis again', 20_000);
  const again = await fire(2 * BURST, servers[0]!.token({ sub: 'usr_after' }));
  const { 200: after = 0 } = count(again);
  assert.ok(after >= BURST && after <= BURST + 1, `${after} passed`);
});

test.run();
