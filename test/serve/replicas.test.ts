import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, logLines, type Serving, serving, sql } from './serving.ts';

const test = suite('three servers that start at once on an empty database', { timeoutMs: 30_000 });
let environment: TestEnvironment;
let servers: Serving[];

test.before(async () => {
  environment = await testEnvironment();
  servers = await Promise.all([1, 2, 3].map(() => serving(environment)));
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

test('make one installation and one root key, and each says the same fingerprint', async () => {
  const [counts] = await sql(
    environment.databaseUrl,
    `SELECT (SELECT count(*)::int FROM installation) AS installations, (SELECT count(*)::int FROM root_keys) AS roots,
       (SELECT count(*)::int FROM root_key_wraps) AS wraps, (SELECT count(*)::int FROM tenants) AS tenants`,
  );
  assert.equal(counts, { installations: 1, roots: 1, wraps: 1, tenants: 1 });
  const makers = servers.filter(({ process }) => process.stdout().includes('a root key was made'));
  assert.is(makers.length, 1);
  const starts = await sql<{ fingerprint: string; made: boolean }>(
    environment.databaseUrl,
    `SELECT extra_data->>'root_key_fingerprint' AS fingerprint, (extra_data->>'root_key_made')::boolean AS made
     FROM audit_log WHERE action = 'process_start'`,
  );
  assert.is(starts.length, 3);
  assert.is(new Set(starts.map(({ fingerprint }) => fingerprint)).size, 1);
  assert.is(starts.filter(({ made }) => made).length, 1);
});

test('have migrated once', async () => {
  const applied = await sql(environment.databaseUrl, 'SELECT migration_id FROM migration_checksums');
  assert.is(applied.length, (await readdir(migrationsDirectory())).length);
  const appliers = servers.filter(({ process }) => process.stdout().includes('"msg":"applying"'));
  assert.is(appliers.length, 1);
});

test('log every step with its duration, and tell themselves apart', () => {
  const instances = new Set<unknown>();
  for (const { process } of servers) {
    const lines = logLines(process.stdout());
    const steps = lines.filter((line) => line.msg === 'started');
    assert.equal(
      steps.map((line) => line.step),
      ['listener', 'postgresql', 'migrations', 'redis', 'root key'],
    );
    for (const line of steps) assert.type(line.duration_ms, 'number');
    for (const line of lines) instances.add(line.instance_id);
  }
  assert.is(instances.size, 3);
});

test('read what one of them wrote', async () => {
  const [one, ...others] = servers;
  await one!.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  const written = await one!.ask('PUT', '/v1/secrets/app/shared', { body: { data: { password: 'swordfish' } } });
  assert.is(written.status, 201, written.text);
  for (const other of others) {
    const read = await other.ask('GET', '/v1/secrets/app/shared');
    assert.is(read.status, 200, read.text);
    assert.equal(read.body.data, { password: 'swordfish' });
  }
});

test('number the versions of one path without gap or repetition', async () => {
  const written = await Promise.all(
    Array.from({ length: 24 }, (_, index) =>
      servers[index % 3]!.ask('PUT', '/v1/secrets/app/counted', { body: { data: { index } } }),
    ),
  );
  const versions = written.map(({ body }) => body.version).sort((a, b) => a - b);
  assert.equal(
    versions,
    Array.from({ length: 24 }, (_, index) => index + 1),
  );
});

test('refuse a value at once after one of them has learned a no', async () => {
  const [one, ...others] = servers;
  for (let round = 1; round <= 5; round++) {
    const path = `/v1/secrets/app/denied-${round}`;
    assert.is((await one!.ask('PUT', path, { body: { data: { round } } })).status, 201);
    for (const other of others) assert.is((await other.ask('GET', path)).status, 200);
    await one!.allow([{ path_pattern: `app/denied-${round}`, permissions: ['read'], effect: 'deny' }]);
    const answers = await Promise.all(others.map((other) => other.ask('GET', path)));
    for (const { status, text } of answers) {
      assert.is(status, 403, text);
      assert.not.match(text, '"data"');
    }
  }
});

test('allow within a second what one of them was told to allow', async () => {
  const [one, ...others] = servers;
  assert.is((await one!.ask('PUT', '/v1/secrets/later/first', { body: { data: { a: '1' } } })).status, 403);
  for (const other of others) assert.is((await other.ask('GET', '/v1/secrets/later/first')).status, 403);
  await one!.allow([{ path_pattern: 'later/**', permissions: ['read', 'write'] }]);
  await sleep(1_000);
  assert.is((await others[0]!.ask('PUT', '/v1/secrets/later/first', { body: { data: { a: '1' } } })).status, 201);
  assert.is((await others[1]!.ask('GET', '/v1/secrets/later/first')).status, 200);
});

test('share one limit through Redis', async () => {
  const token = servers[0]!.token({ sub: 'usr_counted' });
  const before = await servers[0]!.ask('GET', '/v1/auth/whoami', { token });
  const after = await servers[1]!.ask('GET', '/v1/auth/whoami', { token });
  const remaining = [before, after].map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
  assert.ok(remaining[1]! < remaining[0]!, `${remaining}`);
});

test('stop one by one, and leave whole audit chains and a row for each end', async () => {
  for (const server of servers) {
    const end = await server.stop();
    assert.is(end.code, 0, end.stderr);
    assert.is(end.stderr, '');
  }
  const stops = await sql(environment.databaseUrl, `SELECT 1 FROM audit_log WHERE action = 'process_stop'`);
  assert.is(stops.length, 3);
  const { chains } = await assertChainsHold(environment.databaseUrl);
  assert.ok(chains >= 6, `${chains} chains`);
});

test.run();
