import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { type PrivateServer, startPrivatePostgres, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, type Serving, serving, untilStatus } from './serving.ts';

const test = suite('a server whose', { timeoutMs: 60_000 });
const SECRET = '/v1/secrets/app/outage';
let environment: TestEnvironment;
let postgres: PrivateServer;
let redis: PrivateServer;
let server: Serving;
let written = 0;

test.before(async () => {
  [environment, postgres, redis] = await Promise.all([testEnvironment(), startPrivatePostgres(), startPrivateRedis()]);
  server = await serving(environment, {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    DATABASE_STATEMENT_TIMEOUT: '2s',
    RATE_LIMIT_SECRETS_READ: '100000/min',
    RATE_LIMIT_SECRETS_WRITE: '100000/min',
  });
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(async () => {
  await killAll();
  await Promise.all([postgres.remove(), redis.remove()]);
  await environment.remove();
});

const write = () => server.ask('PUT', SECRET, { body: { data: { n: ++written }, options: { max_versions: 0 } } });
const read = () => server.ask('GET', SECRET);
const ready = () => server.ask('GET', '/v1/health/ready', { token: null });

/** What every request gets while there is no database, however often it comes. */
async function allUnavailable(): Promise<void> {
  for (const ask of [read, write, () => server.ask('GET', '/v1/auth/whoami')]) {
    const started = Date.now();
    const answer = await ask();
    assert.is(answer.status, 503, answer.text);
    assert.is(answer.body.error.code, 'service_unavailable');
    assert.ok(answer.headers.get('retry-after'), 'Retry-After');
    assert.not.match(answer.text, /ECONN|postgres|127\.0\.0\.1|"data"/i);
    assert.ok(Date.now() - started < 25_000);
  }
}

async function back(): Promise<void> {
  await untilStatus(ready, 200, 20_000);
  await untilStatus(read, 200, 20_000);
  const before = (await read()).body.version;
  const next = await write();
  assert.is(next.status, 200, next.text);
  assert.is(next.body.version, before + 1);
  assert.is((await read()).body.data.n, written);
}

test('PostgreSQL is stopped answers 503 and heals by itself', async () => {
  assert.is((await write()).status, 201);
  await postgres.stop();
  await allUnavailable();
  const state = await ready();
  assert.is(state.status, 503);
  assert.is(state.body.checks.database, 'failed');
  assert.is((await server.ask('GET', '/v1/health', { token: null })).status, 200);
  await postgres.start();
  await back();
});

test('PostgreSQL crashes under requests answers 503, and keeps what it acknowledged', async () => {
  const acknowledged: number[] = [];
  const results: number[] = [];
  let going = true;
  const load = Promise.all(
    [1, 2, 3, 4].map(async () => {
      while (going) {
        const answer = await write();
        results.push(answer.status);
        if (answer.status === 200) acknowledged.push(answer.body.version);
      }
    }),
  );
  await sleep(700);
  await postgres.kill();
  await sleep(700);
  await postgres.start();
  await untilStatus(ready, 200, 20_000);
  await sleep(500);
  going = false;
  await load;
  assert.equal([...new Set(results)].sort(), [200, 503]);
  assert.is(new Set(acknowledged).size, acknowledged.length, 'no version is given twice');
  for (const version of acknowledged.slice(-20)) {
    assert.is((await server.ask('GET', `${SECRET}?version=${version}`)).status, 200, `version ${version}`);
  }
  await back();
});

test('PostgreSQL freezes answers 503 in bounded time, says so in its readiness, and heals', async () => {
  await postgres.freeze();
  await untilStatus(
    async () => {
      const started = Date.now();
      const state = await ready();
      assert.ok(Date.now() - started < 2_500, 'readiness answers whatever hangs');
      return state;
    },
    503,
    5_000,
  );
  assert.is((await ready()).body.checks.database, 'failed');
  assert.is((await server.ask('GET', '/v1/health', { token: null })).status, 200);
  const answers = await Promise.all([read(), write()]);
  for (const { status, text } of answers) assert.is(status, 503, text);
  await postgres.thaw();
  await back();
});

test('Redis is stopped goes on, holds its limits in process, and finds Redis again', async () => {
  await redis.stop();
  const answer = await read();
  assert.is(answer.status, 200, answer.text);
  assert.ok(answer.headers.get('x-ratelimit-remaining'));
  await untilStatus(
    async () => {
      const { status, body, text } = await ready();
      assert.is(status, 200);
      return { status: body.checks.redis === 'degraded' ? 1 : 0, text };
    },
    1,
    10_000,
  );
  // 300 a minute and subject: the limit is not gone with Redis.
  const token = server.token({ sub: 'usr_hasty' });
  const statuses = new Map<number, number>();
  for (let batch = 0; batch < 10; batch++) {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => server.ask('GET', '/v1/auth/whoami', { token })),
    );
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  assert.ok((statuses.get(429) ?? 0) > 0, `${[...statuses]}`);
  assert.ok((statuses.get(200) ?? 0) > 0, `${[...statuses]}`);
  await redis.start();
  await untilStatus(
    async () => {
      const { body, text } = await ready();
      return { status: body.checks.redis === 'ok' ? 1 : 0, text };
    },
    1,
    20_000,
  );
});

test('Redis freezes is not slowed down for ever', async () => {
  await redis.freeze();
  await read();
  const started = Date.now();
  for (let n = 0; n < 10; n++) assert.is((await read()).status, 200);
  assert.ok(Date.now() - started < 5_000, `${Date.now() - started} ms for ten reads`);
  await redis.thaw();
});

test('dependencies came and went leaves whole audit chains', async () => {
  assert.is((await server.stop()).code, 0);
  await assertChainsHold(postgres.url);
});

test.run();
