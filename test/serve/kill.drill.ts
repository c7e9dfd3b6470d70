/** `serve` is killed at random moments while it writes: what it had acknowledged is there, and nothing is there twice. */
import { randomInt } from 'node:crypto';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, type Serving, serving, sql } from './serving.ts';

const SCALE = Number(process.env.DRILL_SCALE ?? '1');
const KILLS = Math.max(1, Math.round(50 * SCALE));
const WRITES_A_LIFE = 200;
const WRITERS = 8;
const PATHS = ['app/one', 'app/two', 'app/three'];

interface Acknowledged {
  readonly path: string;
  readonly version: number;
  readonly value: string;
  readonly requestId: string;
}

const test = suite(`${KILLS} kills during writes`, { timeoutMs: 540_000 });
let environment: TestEnvironment;
const acknowledged: Acknowledged[] = [];
let sent = 0;

test.before(async () => {
  environment = await testEnvironment({ RATE_LIMIT_ENABLED: 'false' });
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

/** Writes until the server has acknowledged so many, then kills it under the others. */
async function live(server: Serving, writes: number): Promise<void> {
  const token = server.token();
  const enough = acknowledged.length + writes;
  let alive = true;
  const writer = async () => {
    while (alive) {
      const path = PATHS[sent % PATHS.length]!;
      const value = `value-${++sent}`;
      const answer = await server
        .ask('PUT', `/v1/secrets/${path}`, { token, body: { data: { value }, options: { max_versions: 0 } } })
        .catch(() => null);
      if (answer === null) return;
      assert.ok(answer.status === 200 || answer.status === 201, answer.text);
      const requestId = answer.headers.get('x-request-id') ?? '';
      acknowledged.push({ path, version: answer.body.version, value, requestId });
      if (acknowledged.length >= enough && alive) {
        alive = false;
        server.process.kill('SIGKILL');
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  await server.process.finished;
}

test('lose nothing that was acknowledged, and nothing happens twice', async () => {
  for (let life = 1; life <= KILLS; life++) {
    const server = await serving(environment);
    if (life === 1) await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
    await live(server, randomInt(WRITES_A_LIFE / 4, (WRITES_A_LIFE * 7) / 4));
  }
  const server = await serving(environment);
  const token = server.token();
  for (const path of PATHS) {
    const mine = acknowledged.filter((each) => each.path === path);
    assert.is(new Set(mine.map(({ version }) => version)).size, mine.length, 'no number was given to two');
    for (const { version, value } of mine) {
      const read = await server.ask('GET', `/v1/secrets/${path}?version=${version}`, { token });
      assert.is(read.status, 200, `${path} ${version}: ${read.text}`);
      assert.equal(read.body.data, { value });
    }
  }
  const numbers = await sql<{ path: string; current: number; versions: number[] }>(
    environment.databaseUrl,
    `SELECT s.path, s.current_version AS current, array_agg(v.version ORDER BY v.version) AS versions
     FROM secrets s JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id GROUP BY 1, 2`,
  );
  for (const { path, current, versions } of numbers) {
    assert.equal(
      versions,
      Array.from({ length: current }, (_, index) => index + 1),
      `${path} counts from 1 to ${current}`,
    );
  }
  // A kill may have come between the commit and the answer, so more may be there than was acknowledged, but never less.
  const stored = numbers.reduce((sum, { current }) => sum + current, 0);
  assert.ok(stored >= acknowledged.length && stored <= sent, `${acknowledged.length} <= ${stored} <= ${sent}`);
  await server.stop();
});

test('leave one audit row for each version, and whole chains', async () => {
  const rows = await sql<{ request_id: string; secret_path: string; version: number }>(
    environment.databaseUrl,
    `SELECT request_id, secret_path, version FROM audit_log WHERE action = 'write' AND success`,
  );
  const versions = await sql(environment.databaseUrl, 'SELECT 1 FROM secret_versions');
  assert.is(rows.length, versions.length);
  const byRequest = new Map(rows.map((row) => [row.request_id, row]));
  for (const { requestId, path, version } of acknowledged) {
    assert.equal(byRequest.get(requestId), { request_id: requestId, secret_path: path, version });
  }
  const { chains } = await assertChainsHold(environment.databaseUrl);
  process.stdout.write(`${acknowledged.length} acknowledged, ${versions.length} stored, ${chains} chains\n`);
});

test.run();
