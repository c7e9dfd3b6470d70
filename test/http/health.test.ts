import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { Gate } from '../../src/http/gate.ts';
import { type ReadinessCheck, readiness, shared } from '../../src/http/health.ts';
import { openListener } from '../../src/http/listener.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createDatabase } from '../support/postgres.ts';
import { type PrivateServer, startPrivatePostgres, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { assertError, type House, startHouse } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('health', { timeoutMs: 60_000 });
let postgres: PrivateServer;
let redis: PrivateServer;
let house: House;
let strict: House;

test.before(async () => {
  [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
  const [one, two] = await Promise.all([createDatabase(postgres.url), createDatabase(postgres.url)]);
  house = await startHouse({ DATABASE_URL: one.url, REDIS_URL: redis.url });
  strict = await startHouse({ DATABASE_URL: two.url, REDIS_URL: redis.url, READY_REQUIRES_REDIS: 'true' });
});
test.after(async () => {
  await Promise.all([house.stop(), strict.stop()]);
  await Promise.all([postgres.remove(), redis.remove()]);
});

const open = (of: House, path: string) => of.ask('GET', path, { token: null });

async function timed(of: House, path: string) {
  const started = performance.now();
  const answer = await open(of, path);
  return { ...answer, ms: performance.now() - started };
}

/** Asks until readiness is as wanted, for as long as a dependency takes to come back. */
async function eventually(of: House, status: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await open(of, '/v1/health/ready')).status === status) return;
    await sleep(100);
  }
  assert.unreachable(`never ${status}`);
}

test('all is well', async () => {
  const live = await open(house, '/v1/health');
  assert.is(live.status, 200);
  assert.is(live.body.status, 'ok');
  assert.match(live.body.timestamp, /^\d{4}-\d\d-\d\dT.*\.\d{3}Z$/);
  const ready = await open(house, '/v1/health/ready');
  assert.is(ready.status, 200);
  assert.equal(ready.body, { status: 'ready', checks: { database: 'ok', redis: 'ok', encryption: 'ok' } });
  assert.match((await open(house, '/v1/version')).body.version, /^\d+\.\d+\.\d+/);
});

for (const failure of ['freeze', 'stop'] as const) {
  test(`Redis gone (${failure}): ready and degraded, or not ready where the operator wants it so`, async () => {
    await redis[failure]();
    try {
      await sleep(300);
      const ready = await timed(house, '/v1/health/ready');
      assert.is(ready.status, 200, ready.text);
      assert.is(ready.body.status, 'ready');
      assert.is(ready.body.checks.redis, 'degraded');
      assert.equal(ready.body.degraded, ['redis']);
      assert.type(ready.body.errors.redis, 'string');
      assert.ok(ready.ms < 2_000, `${ready.ms} ms`);
      const refused = await timed(strict, '/v1/health/ready');
      assert.is(refused.status, 503);
      assert.is(refused.body.checks.redis, 'failed');
      assert.ok(refused.ms < 2_000, `${refused.ms} ms`);
    } finally {
      await (failure === 'freeze' ? redis.thaw() : redis.start());
    }
    await eventually(strict, 200);
  });

  test(`PostgreSQL gone (${failure}): not ready within 2 s, alive, and ready again by itself`, async () => {
    await postgres[failure]();
    try {
      await sleep(300);
      const answers = await Promise.all(Array.from({ length: 20 }, () => timed(house, '/v1/health/ready')));
      for (const ready of answers) {
        assert.is(ready.status, 503, ready.text);
        assert.is(ready.body.status, 'not_ready');
        assert.is(ready.body.checks.database, 'failed');
        assert.type(ready.body.errors.database, 'string');
        assert.is(ready.headers.get('retry-after'), '1');
        assert.ok(ready.ms < 2_000, `${ready.ms} ms`);
      }
      for (const path of ['/v1/health', '/v1/version', '/v1/openapi.json']) {
        const live = await timed(house, path);
        assert.is(live.status, 200);
        assert.ok(live.ms < 500, `${path} took ${live.ms} ms`);
      }
    } finally {
      await (failure === 'freeze' ? postgres.thaw() : postgres.start());
    }
    await eventually(house, 200);
  });
}

test('a stranger who asks often reaches the dependencies seldom', async () => {
  let probes = 0;
  const check: ReadinessCheck = {
    name: 'database',
    probe: async () => {
      probes++;
      await sleep(20);
      return { state: 'ok' };
    },
  };
  const gate = new Gate(systemClock());
  gate.setReadiness(() => readiness([check], false));
  const listener = await openListener({ host: '127.0.0.1', port: 0, maxConnections: 100, tls: null }, gate.handle);
  try {
    const url = `http://127.0.0.1:${listener.address.port}/v1/health/ready`;
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(url)));
      for (const answer of answers) assert.is(answer.status, 200);
    }
    assert.ok(probes <= 3, `${probes} probes for 100 questions`);
    gate.setReadiness(() => readiness([check], true));
    assert.is((await fetch(url)).status, 503, 'stopping is said at once');
  } finally {
    await listener.stop(0);
  }
});

test('an answer is shared while it is made and for a quarter of a second after', async () => {
  let now = 0;
  let made = 0;
  const ask = shared(
    async () => ++made,
    () => now,
  );
  assert.equal(await Promise.all([ask(), ask(), ask()]), [1, 1, 1]);
  now = 249;
  assert.is(await ask(), 1);
  now = 251;
  assert.is(await ask(), 2);
  let failing = true;
  const heals = shared(
    async () => {
      if (failing) throw new Error('not now');
      return 'well';
    },
    () => now,
  );
  await heals().then(assert.unreachable, () => {});
  failing = false;
  now += 251;
  assert.is(await heals(), 'well');
});

test('a check that throws, and one that never answers, are failed checks', async () => {
  const broken: ReadinessCheck = { name: 'redis', probe: () => Promise.reject(new Error('canary')) };
  const hanging: ReadinessCheck = { name: 'encryption', probe: () => new Promise(() => {}) };
  const started = performance.now();
  const reply = await readiness([broken, hanging], false);
  assert.ok(performance.now() - started < 2_000);
  assert.is(reply.status, 503);
  assert.equal((reply.body as { checks: object }).checks, { redis: 'failed', encryption: 'failed' });
  assert.not.match(JSON.stringify(reply), /canary/);
});

test('before everything is up only health and version answer, the rest is told to come back', async () => {
  const gate = new Gate(systemClock());
  const listener = await openListener({ host: '127.0.0.1', port: 0, maxConnections: 100, tls: null }, gate.handle);
  try {
    const { port } = listener.address;
    assert.is((await rawRequest(port, 'GET', '/v1/health')).status, 200);
    assert.is((await rawRequest(port, 'GET', '/v1/version')).status, 200);
    const ready = await rawRequest(port, 'GET', '/v1/health/ready');
    assert.is(ready.status, 503);
    assert.is(ready.body.status, 'not_ready');
    for (const [method, path] of [
      ['GET', '/v1/secrets/app/db'],
      ['GET', '/v1/nothing'],
      ['POST', '/v1/health'],
      ['GET', '/v1/secrets/app/db?x=/v1/health'],
      ['GET', 'http://vault/v1/health'],
    ] as const) {
      const answer = await rawRequest(port, method, path);
      assert.is(answer.status, 503, `${method} ${path}`);
      assertError(answer.body, 'service_unavailable');
      assert.equal(answer.headers.get('retry-after'), ['1']);
      assert.equal(answer.headers.get('cache-control'), ['no-store']);
    }
  } finally {
    await listener.stop(0);
  }
});

test.run();
