/** What an Idempotency-Key is for: the process dies after the commit, and before anybody has heard of it. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, serving, sql } from './serving.ts';

const test = suite('an answer that was lost', { timeoutMs: 60_000 });
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment();
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

test('is told by the next process, and nothing is done again', async () => {
  const path = '/v1/secrets/app/lost';
  const [key, body] = [randomUUID(), '{"data":{"n":1}}'];
  const first = await serving(environment);
  await first.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  const socket = connect(Number(new URL(first.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `PUT ${path} HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer ${first.token()}\r\nIdempotency-Key: ${key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const done = () => sql(environment.databaseUrl, `SELECT 1 FROM idempotency WHERE key = $1 AND state = 'done'`, [key]);
  while ((await done()).length === 0) await sleep(5);
  first.process.kill('SIGKILL');
  await first.process.finished;
  socket.destroy();

  const second = await serving(environment);
  const again = await second.ask('PUT', path, { raw: body, headers: { 'idempotency-key': key } });
  assert.equal([again.status, again.headers.get('idempotent-replay')], [201, 'true'], again.text);
  assert.equal([again.body.version, again.body.created, again.headers.get('etag')], [1, true, '"1"']);
  const read = await second.ask('GET', path);
  assert.equal([read.body.version, read.body.data], [1, { n: 1 }]);
  await second.stop();
  const rows = await sql(
    environment.databaseUrl,
    `SELECT extra_data FROM audit_log WHERE action = 'write' ORDER BY id`,
  );
  assert.is(rows.length, 2, 'the change, and that it was asked for again');
  await assertChainsHold(environment.databaseUrl);
});

test.run();
