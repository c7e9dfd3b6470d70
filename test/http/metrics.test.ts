import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { AddressUnusable } from '../../src/http/listener.ts';
import { startTestServer } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { type Exposition, parseExposition } from '../telemetry/exposition.ts';
import { assertError, type House, requestId, startHouse } from './house.ts';

const test = suite('the metrics', { timeoutMs: 30_000 });
let house: House;
/** With a listener of its own. */
let apart: House;

test.before(async () => {
  house = await startHouse();
  apart = await startHouse({
    METRICS_BIND_ADDRESS: '127.0.0.1:0',
    METRICS_TENANTS: '1',
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_SECRETS_READ: '60/min:20',
  });
  await apart.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(async () => {
  await house.stop();
  await apart.stop();
});

const admin = () => house.token({ sub: house.adminSub, scope: 'admin' });

function scrapeFrom(port: number | null, path = '/v1/metrics', init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, init);
}

async function scrape(): Promise<Exposition> {
  const answer = await scrapeFrom(apart.metricsPort);
  assert.is(answer.status, 200);
  return parseExposition(await answer.text());
}

test('on the main port are for a super_admin whose token has the scope admin', async () => {
  const id = requestId();
  const answer = await house.ask('GET', '/v1/metrics', { token: admin(), headers: { 'x-request-id': id } });
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.ok((parseExposition(answer.text).value('process_resident_memory_bytes') ?? 0) > 0);
  const [entry] = await house.audited(id);
  assert.equal([entry?.action, entry?.success], ['metrics_read', true]);

  const refused = [
    [null, 401, 'authentication_required'],
    [house.adminToken(), 403, 'insufficient_scope'],
    [house.token({ scope: 'admin' }), 403, 'forbidden'],
    [house.token({ scope: 'admin', roles: ['tenant_admin'] }), 403, 'forbidden'],
  ] as const;
  for (const [token, status, code] of refused) {
    const other = await house.ask('GET', '/v1/metrics', { token });
    assert.is(other.status, status, other.text);
    assertError(other.body, code);
  }
});

test('with METRICS_BIND_ADDRESS are on a port of their own, for whoever reaches it, and not on the main one', async () => {
  const answer = await scrapeFrom(apart.metricsPort);
  assert.equal([answer.status, answer.headers.get('content-type')], [200, 'text/plain; version=0.0.4; charset=utf-8']);
  parseExposition(await answer.text());
  assert.is((await apart.ask('GET', '/v1/metrics', { token: admin() })).status, 404);
  for (const path of ['/', '/metrics', '/v1/health', '/v1/secrets/app/x', '/v1/metrics/', '//v1/metrics']) {
    const other = await scrapeFrom(apart.metricsPort, path);
    assert.is(other.status, 404, path);
    assertError(await other.json(), 'route_not_found');
  }
  const posted = await scrapeFrom(apart.metricsPort, '/v1/metrics', { method: 'POST', body: 'x' });
  assert.equal([posted.status, posted.headers.get('allow')], [405, 'GET']);
});

test('count requests by method, kind and status, and time them', async () => {
  const before = await scrape();
  for (let n = 0; n < 3; n++) await apart.ask('PUT', '/v1/secrets/app/counted', { body: { data: { n } } });
  await apart.ask('GET', '/v1/secrets/app/counted');
  await apart.ask('GET', '/v1/secrets/other/x');
  await apart.ask('GET', '/v1/nothing');
  await apart.ask('GET', '/v1/health', { token: null });
  const after = await scrape();
  const grown = (name: string, labels: Record<string, string>) => after.sum(name, labels) - before.sum(name, labels);
  const requests = (method: string, path_category: string, status: string) =>
    grown('scaivault_requests_total', { method, path_category, status });
  assert.is(requests('PUT', 'secrets', '201') + requests('PUT', 'secrets', '200'), 3);
  assert.is(requests('GET', 'secrets', '200'), 1);
  assert.is(requests('GET', 'secrets', '403'), 1);
  assert.is(requests('GET', 'none', '404'), 1);
  assert.is(requests('GET', 'health', '200'), 1);
  assert.is(grown('scaivault_request_duration_seconds_count', { method: 'PUT', path_category: 'secrets' }), 3);
  const seconds = grown('scaivault_request_duration_seconds_sum', { method: 'PUT' });
  assert.ok(seconds > 0.001 && seconds < 10, `${seconds}`);
  assert.is(after.value('scaivault_active_requests'), 0);
});

test('count values of secrets given out and versions written', async () => {
  const tenant = apart.tenantId;
  const counted = async () => {
    const now = await scrape();
    return [
      now.value('scaivault_secret_reads_total', { tenant, secret_type: 'kv' }) ?? 0,
      now.value('scaivault_secret_reads_total', { tenant, secret_type: 'json' }) ?? 0,
      now.value('scaivault_secret_writes_total', { tenant }) ?? 0,
    ];
  };
  const [kv = 0, json = 0, writes = 0] = await counted();
  const headers = { 'idempotency-key': 'metrics-1' };
  await apart.ask('PUT', '/v1/secrets/app/kv', { body: { data: {} }, headers });
  await apart.ask('PUT', '/v1/secrets/app/kv', { body: { data: {} }, headers });
  await apart.ask('PUT', '/v1/secrets/app/kv', { body: { data: {}, options: { cas: 7 } } });
  await apart.ask('PUT', '/v1/secrets/app/json', { body: { data: {}, secret_type: 'json' } });
  for (const name of ['kv', 'kv', 'json', 'none']) await apart.ask('GET', `/v1/secrets/app/${name}`);
  await apart.ask('GET', '/v1/secrets/app/kv', { headers: { 'if-none-match': '"1"' } });
  assert.equal(await counted(), [kv + 2, json + 1, writes + 2], 'no repetition, no refusal, no 304');
});

test('name no more tenants than METRICS_TENANTS', async () => {
  const names = ['tnt_second', 'tnt_third'].map((name) => `${name}_${requestId().slice(2, 10)}`);
  for (const tenant of names) {
    await apart.ask('GET', '/v1/auth/whoami', { token: apart.token({ tenant_id: tenant }) });
    await apart.allow([{ path_pattern: 'app/**', permissions: ['write'] }], 'user:usr_alice', tenant);
    const token = apart.token({ tenant_id: tenant });
    assert.is((await apart.ask('PUT', '/v1/secrets/app/x', { token, body: { data: {} } })).status, 201);
  }
  const now = await scrape();
  assert.is(now.value('scaivault_secret_writes_total', { tenant: 'other' }), 2);
  for (const tenant of names) assert.is(now.value('scaivault_secret_writes_total', { tenant }), undefined);
});

test('count what was refused: by limits, for want of a token, and for forwarding headers of strangers', async () => {
  const before = await scrape();
  const token = apart.token({ sub: 'usr_busy' });
  const answers = await Promise.all(Array.from({ length: 25 }, () => apart.ask('GET', '/v1/secrets/x/y', { token })));
  const limited = answers.filter(({ status }) => status === 429).length;
  assert.ok(limited >= 4, `${limited}`);
  await apart.ask('GET', '/v1/auth/whoami', { token: null });
  await apart.ask('GET', '/v1/auth/whoami', { token: 'a.b.c' });
  await apart.ask('GET', '/v1/auth/whoami', { headers: { 'x-forwarded-for': '192.0.2.1' } });
  const after = await scrape();
  const grown = (name: string, labels = {}) => after.sum(name, labels) - before.sum(name, labels);
  assert.is(grown('scaivault_rate_limit_hits_total', { category: 'SECRETS_READ' }), limited);
  assert.is(grown('scaivault_authentication_failures_total', { code: 'authentication_required' }), 1);
  assert.is(grown('scaivault_authentication_failures_total', { code: 'token_invalid' }), 1);
  assert.is(grown('scaivault_forwarded_untrusted_total'), 1);
});

test('tell how the database, Redis and the audit log do', async () => {
  const before = await scrape();
  await Promise.all(
    Array.from({ length: 10 }, () =>
      apart.ask('GET', '/v1/secrets/app/none', { token: apart.token({ sub: 'usr_c' }) }),
    ),
  );
  const after = await scrape();
  const grown = (name: string) => (after.value(name) ?? 0) - (before.value(name) ?? 0);
  assert.ok(grown('scaivault_db_latency_seconds_count') >= 1);
  assert.ok(grown('scaivault_redis_latency_seconds_count') >= 10);
  assert.is(grown('scaivault_audit_wait_seconds_count'), 10);
  assert.is(grown('scaivault_audit_batch_size_sum'), 10, 'ten entries');
  assert.ok(grown('scaivault_audit_batch_size_count') <= 10, 'in no more batches');
  assert.is(after.value('scaivault_db_pool_size'), 20);
  assert.is(after.value('scaivault_db_pool_available'), 20);
  assert.is(after.value('scaivault_rate_limit_degraded'), 0);
  assert.is(after.value('scaivault_rate_limit_fallbacks_total'), 0);
  assert.is(after.value('scaivault_sealed'), 0);
});

test('show a request under way, and one whose client did not wait for the answer', async () => {
  await apart.sql('BEGIN');
  await apart.sql('LOCK TABLE secrets IN SHARE MODE');
  const gone = () => scrape().then((now) => now.sum('scaivault_requests_total', { status: '499' }));
  const before = await gone();
  const socket = connect(apart.port, '127.0.0.1');
  const body = '{"data":{}}';
  socket.write(
    `PUT /v1/secrets/app/slow HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer ${apart.token()}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  while ((await scrape()).value('scaivault_active_requests') !== 1) await sleep(20);
  socket.destroy();
  await sleep(50);
  await apart.sql('COMMIT');
  while ((await scrape()).value('scaivault_active_requests') !== 0) await sleep(20);
  assert.is((await gone()) - before, 1);
});

test('are all described, and only they', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/observe.md'), 'utf8');
  const described = [...page.matchAll(/^\| `((?:scaivault|process)_\w+)/gm)].map(([, name]) => name!);
  assert.equal(described.toSorted(), [...(await scrape()).types.keys()].toSorted());
  assert.is(new Set(described).size, described.length);
});

test('on a port that is taken end the start at once, and leave nothing open', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const error = await startTestServer({ METRICS_BIND_ADDRESS: `127.0.0.1:${port}` }).then(
    () => assert.unreachable(),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, AddressUnusable);
  assert.match((error as AddressUnusable).hint, 'METRICS_BIND_ADDRESS');
  taken.close();
});

test('do not hold up a stop, whoever still listens', async () => {
  const server = await startTestServer({ METRICS_BIND_ADDRESS: '127.0.0.1:0' });
  const idle = connect(server.metricsPort!, '127.0.0.1');
  idle.on('error', () => {});
  const ended = new Promise((resolve) => idle.once('close', resolve));
  idle.write('GET /v1/metrics HTTP/1.1\r\nHost: v\r\n\r\n');
  await new Promise((resolve) => idle.once('data', resolve));
  const started = performance.now();
  await server.stop();
  await ended;
  assert.ok(performance.now() - started < 3_000);
  assert.is(await scrapeFrom(server.metricsPort).catch(() => 'closed'), 'closed');
});

test.run();
