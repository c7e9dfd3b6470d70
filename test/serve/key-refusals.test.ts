import { randomBytes } from 'node:crypto';
import { chmod, rm, writeFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { freePort } from '../../scripts/test/servers/instance.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { killAll, launch, logLines, refusal, serving, sql, type Variables } from './serving.ts';

const test = suite('a start with the wrong key or schema', { timeoutMs: 30_000 });
let environment: TestEnvironment;
/** An environment whose database is in use already: migrated, with a root key and a secret. */
let used: TestEnvironment;
let fingerprint: string;

test.before(async () => {
  [environment, used] = await Promise.all([testEnvironment(), testEnvironment()]);
  const server = await serving(used);
  await server.allow([{ path_pattern: '**', permissions: ['read', 'write'] }]);
  assert.is((await server.ask('PUT', '/v1/secrets/app/kept', { body: { data: { a: 'kept' } } })).status, 201);
  await server.stop();
  const made = logLines(server.process.stdout()).find((line) => String(line.msg).startsWith('a root key was made'));
  fingerprint = String(made?.fingerprint);
});
test.after(async () => {
  await killAll();
  await Promise.all([environment.remove(), used.remove()]);
});

const attempt = (of: TestEnvironment, variables: Variables, args: readonly string[] = []) =>
  launch(of, variables, args).finished;

async function keyFile(content: string, mode = 0o600): Promise<string> {
  const path = `${used.keyFile}.${randomBytes(4).toString('hex')}`;
  await writeFile(path, content, { mode });
  await chmod(path, mode);
  return path;
}

test('no key file', async () => {
  const end = await attempt(environment, { KMS_LOCAL_KEY_FILE: '/nowhere/kms.key' });
  assert.is(end.code, 78);
  const { line, code } = refusal(end);
  assert.is(code, 'kms');
  assert.match(
    line,
    /there is no key file \/nowhere\/kms\.key\. .*head -c 32 \/dev\/urandom \| base64 > \/nowhere\/kms\.key/,
  );
});

test('a key file that others may read', async () => {
  const path = await keyFile(`${randomBytes(32).toString('base64')}\n`, 0o644);
  const end = await attempt(environment, { KMS_LOCAL_KEY_FILE: path });
  assert.is(end.code, 78);
  assert.match(
    refusal(end).line,
    `the key file ${path} has mode 0644, so others than its owner can use it. Type: chmod 600 ${path}`,
  );
});

test('a key file that holds no key, which is not repeated', async () => {
  for (const content of ['canary not base64\n', randomBytes(31).toString('base64'), '', `${'A'.repeat(44)}\n`]) {
    const path = await keyFile(content);
    const end = await attempt(environment, { KMS_LOCAL_KEY_FILE: path });
    assert.is(end.code, 78, content);
    assert.match(refusal(end).line, `the key file ${path} does not hold one line with the base64 form of 32 bytes`);
    assert.not.match(end.stderr + end.stdout, 'canary');
  }
});

test('the key file of another installation: expected and found fingerprint, and what to do', async () => {
  const path = await keyFile(`${randomBytes(32).toString('base64')}\n`);
  const end = await attempt(used, { KMS_LOCAL_KEY_FILE: path });
  assert.is(end.code, 78);
  const { line } = refusal(end);
  const found = /expected fingerprint ([0-9a-f-]+), found ([0-9a-f-]+)\. Point KMS_LOCAL_KEY_FILE at/.exec(line);
  assert.ok(found !== null && found[1] !== found[2], line);
});

test('another root key than ROOT_KEY_FINGERPRINT says', async () => {
  const end = await attempt(used, { ROOT_KEY_FINGERPRINT: '0'.repeat(64) });
  assert.is(end.code, 78);
  const { line, code } = refusal(end);
  assert.is(code, 'root_key');
  assert.match(line, '0'.repeat(64));
  assert.match(line, fingerprint);
});

test('no root key is made where ROOT_KEY_FINGERPRINT demands a certain one', async () => {
  const end = await attempt(environment, { ROOT_KEY_FINGERPRINT: fingerprint });
  assert.is(end.code, 78);
  assert.match(refusal(end).line, fingerprint);
  assert.equal(await sql(environment.databaseUrl, 'SELECT id FROM root_keys'), []);
});

test('the fingerprint that the first start has logged is the one to configure', async () => {
  const server = await serving(used, { ROOT_KEY_FINGERPRINT: fingerprint });
  assert.is((await server.ask('GET', '/v1/secrets/app/kept')).status, 200);
  await server.stop();
});

test('a database ahead of the release', async () => {
  const [newest] = await sql<{ id: number }>(
    used.databaseUrl,
    `INSERT INTO migration_checksums (migration_id, checksum, serves)
     SELECT max(migration_id) + 1, max(checksum), '99.0.0' FROM migration_checksums RETURNING migration_id AS id`,
  );
  const ahead = newest!.id;
  for (const args of [[], ['--no-migrate']]) {
    const end = await attempt(used, {}, args);
    assert.is(end.code, 78);
    const { line, code } = refusal(end);
    assert.is(code, 'schema_refused');
    assert.match(line, `The database is at migration ${ahead}, this executable (`);
    assert.match(line, `knows ${ahead - 1}. Run the release that made it`);
  }
  await sql(used.databaseUrl, 'DELETE FROM migration_checksums WHERE migration_id = $1', [ahead]);
});

test('an applied migration that was edited', async () => {
  await sql(used.databaseUrl, `UPDATE migration_checksums SET checksum = 'x' || substr(checksum, 2)`);
  const end = await attempt(used, {});
  assert.is(end.code, 78);
  assert.match(refusal(end).line, /Applied migrations differ .*: 00001_foundation/);
});

test('behind, with --no-migrate: it waits, then names the command', async () => {
  const empty = await testEnvironment({ START_TIMEOUT: '1s' });
  const end = await attempt(empty, {}, ['--no-migrate']);
  assert.is(end.code, 75);
  const { line, code } = refusal(end);
  assert.is(code, 'migration_awaited');
  assert.match(line, /The database lacks migrations \(00001_foundation, .*\)\. Run: scaivault migrate/);
  await empty.remove();
});

test('data without a root key is not given a new one', async () => {
  const bereft = await testEnvironment();
  const first = await serving(bereft);
  await first.allow([{ path_pattern: '**', permissions: ['write'] }]);
  assert.is((await first.ask('PUT', '/v1/secrets/a/b', { body: { data: { a: 'b' } } })).status, 201);
  await first.stop();
  await sql(
    bereft.databaseUrl,
    `SET session_replication_role = replica; DELETE FROM root_key_wraps; DELETE FROM root_keys`,
  );
  const end = await attempt(bereft, {});
  assert.is(end.code, 78);
  const { line, code } = refusal(end);
  assert.is(code, 'root_key');
  assert.match(line, /holds keys or secrets, but no root key that could open them.* Restore the tables/);
  assert.equal(await sql(bereft.databaseUrl, 'SELECT id FROM root_keys'), []);
  await bereft.remove();
});

test('a refused start gives its port back, and the next one may have it', async () => {
  const port = await freePort();
  const variables = { BIND_ADDRESS: `127.0.0.1:${port}` };
  const other = await testEnvironment(variables);
  await rm(`${other.keyFile}`);
  assert.is((await attempt(other, variables)).code, 78);
  await writeFile(other.keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const server = await serving(other);
  await server.stop();
  await other.remove();
});

test.run();
