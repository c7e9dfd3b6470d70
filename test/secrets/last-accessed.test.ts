import * as assert from 'uvu/assert';
import { killAll, type Serving, serving, sql } from '../serve/serving.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('last_accessed_at', { timeoutMs: 40_000 });
let environment: TestEnvironment;
let server: Serving;

test.before(async () => {
  environment = await testEnvironment();
  server = await serving(environment);
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

const stored = () =>
  sql<{ path: string; last_accessed_at: Date | null; writes: string }>(
    environment.databaseUrl,
    'SELECT path, last_accessed_at, xmin::text AS writes FROM secrets ORDER BY path',
  );

test('says after a stop when each secret was last read, and nothing of what was refused or only written', async () => {
  await server.allow([
    { path_pattern: '**', permissions: ['read', 'write', 'list'] },
    { path_pattern: 'closed/**', permissions: ['read'], effect: 'deny' },
  ]);
  for (const path of ['app/single', 'app/batched', 'app/looked-at', 'app/refused', 'closed/a']) {
    const written = await server.ask('PUT', `/v1/secrets/${path}`, { body: { data: { path } } });
    assert.is(written.status, 201, written.text);
  }
  const before = await stored();
  const start = Date.now();
  const single = await server.ask('GET', '/v1/secrets/app/single');
  assert.is(single.status, 200, single.text + server.process.stdout().slice(-3000));
  const batch = (paths: readonly string[], options = {}) =>
    server.ask('POST', '/v1/secrets/batch', { body: { paths, options } });
  assert.is((await batch(['app/batched', 'closed/a'])).status, 200);
  assert.is((await batch(['app/refused', 'closed/a'], { fail_fast: true })).status, 403);
  assert.is((await server.ask('GET', '/v1/secrets/app/refused?version=7')).status, 404);
  assert.is((await server.ask('GET', '/v1/secrets/closed/a')).status, 403);
  assert.is((await server.ask('GET', '/v1/secrets/app/looked-at:metadata')).status, 200);
  const end = Date.now();
  assert.equal(await stored(), before, 'a read writes nothing');
  assert.is((await server.stop()).code, 0);

  const read = (await stored()).filter(({ last_accessed_at }) => last_accessed_at !== null);
  assert.equal(
    read.map(({ path }) => path),
    ['app/batched', 'app/single'],
  );
  for (const { last_accessed_at } of read) {
    const at = last_accessed_at!.getTime();
    assert.is(at % 60_000, 0);
    assert.ok(at > start - 60_000 && at <= end, `${last_accessed_at?.toISOString()}`);
  }

  server = await serving(environment);
  const shown = (await server.ask('GET', '/v1/secrets/app/single')).body.last_accessed_at;
  assert.is(shown, read[1]?.last_accessed_at?.toISOString());
});

test.run();
