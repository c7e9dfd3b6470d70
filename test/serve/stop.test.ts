import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, logLines, type Serving, serving, session, sql } from './serving.ts';

const test = suite('a stop', { timeoutMs: 40_000 });
const SLOW = '/v1/secrets/app/slow';
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment();
  const server = await serving(environment);
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  assert.is((await server.ask('PUT', SLOW, { body: { data: { n: 0 } } })).status, 201);
  await server.stop();
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

/** A write that waits for a lock that the test holds. */
async function slowWrite(server: Serving, databaseUrl = environment.databaseUrl) {
  const holder = await session(databaseUrl);
  await holder.query('BEGIN; LOCK TABLE secrets IN SHARE MODE');
  const answer = server.ask('PUT', SLOW, { body: { data: { n: Date.now() } } }).catch((error: Error) => error);
  for (let waiting = 0; waiting === 0; await sleep(20)) {
    const { rows } = await holder.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'secrets'::regclass`);
    waiting = rows.length;
  }
  return { answer, release: () => holder.end() };
}

/** One connection that stays open between requests. */
function keepAlive(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      get(url + path, { agent }, (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      }).on('error', reject);
    });
  return { ask, close: () => agent.destroy() };
}

const refused = (url: string) =>
  fetch(`${url}/v1/health`).then(
    () => false,
    () => true,
  );

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`by ${signal} lets a running request finish, and takes no new connections`, async () => {
    const server = await serving(environment, { SHUTDOWN_GRACE: '20s' });
    const before = (await server.ask('GET', SLOW)).body.version;
    const { answer, release } = await slowWrite(server);
    server.process.kill(signal);
    await server.process.says('"msg":"stopping"');
    assert.ok(await refused(server.url), 'new connections are refused');
    await sleep(300);
    await release();
    const written = await answer;
    assert.not.instance(written, Error);
    if (written instanceof Error) return;
    assert.is(written.status, 200, written.text);
    assert.is(written.body.version, before + 1);
    assert.is(written.headers.get('connection'), 'close');
    const end = await server.process.finished;
    assert.is(end.code, 0, end.stderr);
    assert.is(end.stderr, '');
    assert.equal(
      logLines(end.stdout)
        .filter((line) => line.signal === signal)
        .map((line) => line.msg),
      ['stopping'],
    );
  });
}

test('turns readiness to 503 at once for whoever still has a connection', async () => {
  const server = await serving(environment, { SHUTDOWN_GRACE: '20s' });
  const { answer, release } = await slowWrite(server);
  // Half a request keeps a connection from being idle; its other half comes after the signal.
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const answered = text(socket);
  socket.write('GET /v1/health/ready HTTP/1.1\r\nHost: vault\r\n');
  await sleep(200);
  server.process.kill();
  await server.process.says('"msg":"stopping"');
  socket.write('\r\n');
  assert.match(await answered, /^HTTP\/1\.1 503 .*\r\nConnection: close\r\n.*"status":"not_ready".*"stopping":true/is);
  await release();
  await answer;
  assert.is((await server.process.finished).code, 0);
});

test('of an idle server takes less than a second, whatever connections are open', async () => {
  const server = await serving(environment);
  const connections = Array.from({ length: 5 }, () => keepAlive(server.url));
  for (const { ask } of connections) assert.is((await ask('/v1/health')).status, 200);
  assert.is((await server.ask('GET', SLOW)).status, 200);
  const asked = Date.now();
  const end = await server.stop();
  const took = Date.now() - asked;
  for (const { close } of connections) close();
  assert.is(end.code, 0, end.stderr);
  assert.ok(took < 1_000, `${took} ms`);
});

test('asked for twice ends at once, with what was acknowledged in the log', async () => {
  const server = await serving(environment, { SHUTDOWN_GRACE: '30s' });
  const read = await server.ask('GET', SLOW);
  const { answer, release } = await slowWrite(server);
  server.process.kill();
  await server.process.says('"msg":"stopping"');
  const asked = Date.now();
  server.process.kill();
  const end = await server.process.finished;
  assert.ok(Date.now() - asked < 2_000);
  assert.is(end.code, 1, end.stderr);
  await release();
  await answer;
  const rows = await sql(environment.databaseUrl, 'SELECT success FROM audit_log WHERE request_id = $1', [
    read.headers.get('x-request-id'),
  ]);
  assert.equal(rows, [{ success: true }]);
});

test('cuts what hangs after SHUTDOWN_GRACE', async () => {
  const server = await serving(environment, { SHUTDOWN_GRACE: '1s', DATABASE_STATEMENT_TIMEOUT: '60s' });
  const { answer, release } = await slowWrite(server);
  const asked = Date.now();
  const end = await server.stop();
  const took = Date.now() - asked;
  assert.is(end.code, 0, end.stderr);
  assert.ok(took >= 900 && took < 7_000, `${took} ms`);
  assert.instance(await answer, Error);
  await release();
});

test('does not hang with a database that hangs', async () => {
  const postgres = await startPrivatePostgres();
  const server = await serving(environment, { DATABASE_URL: postgres.url, SHUTDOWN_GRACE: '1s' });
  await postgres.freeze();
  const asked = Date.now();
  const end = await server.stop();
  const took = Date.now() - asked;
  await postgres.thaw();
  await postgres.remove();
  assert.is(end.code, 0, end.stderr);
  assert.ok(took < 8_000, `${took} ms`);
});

test('leaves a row for each start and each end, with the signal, and whole chains', async () => {
  const rows = await sql<{ action: string; reason: string | null; n: number }>(
    environment.databaseUrl,
    `SELECT action, extra_data->>'reason' AS reason, count(*)::int AS n FROM audit_log
     WHERE action IN ('process_start', 'process_stop') AND tenant_id = '_system' GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  assert.equal(rows, [
    { action: 'process_start', reason: null, n: 7 },
    { action: 'process_stop', reason: 'SIGINT', n: 1 },
    { action: 'process_stop', reason: 'SIGTERM', n: 5 },
  ]);
  await assertChainsHold(environment.databaseUrl);
});

/** A process under `runUntilSignal` with a server of which only the flush can be seen. */
async function defective(defect: string) {
  const module = (path: string) => JSON.stringify(join(import.meta.dirname, '../../commands', path));
  const script = `
    const { openLog, runUntilSignal } = await import(${module('serve-process.ts')});
    const opened = await openLog({ LOG_LEVEL: 'info', warnings: [] }, 'json');
    await runUntilSignal(opened, async () => {
      setInterval(() => {}, 1000);
      setTimeout(() => { ${defect} }, 20);
      return { stop: async () => {}, flush: async () => console.log('flushed') };
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, stdout };
}

test('by an error that nobody has caught: logged whole, flushed, exit 1', async () => {
  for (const defect of [`throw new Error('a defect')`, `Promise.reject(new Error('a defect'))`]) {
    const { code, stdout } = await defective(defect);
    assert.is(code, 1, stdout);
    assert.match(stdout, /"error":"Error: a defect","stack":"\s*at .*"msg":"unhandled error; ending"/);
    assert.match(stdout, 'flushed');
  }
});

test.run();
