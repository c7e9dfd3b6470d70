import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('a batch of metadata');
let house: House;

test.before(async () => {
  house = await startHouse();
  await house.allow([
    { path_pattern: '**', permissions: ['read', 'write', 'delete', 'list'] },
    { path_pattern: 'app/closed/**', permissions: ['list'], effect: 'deny' },
    { path_pattern: 'app/c', permissions: ['list'], effect: 'deny' },
  ]);
  const paths = ['app/a', 'app/b', 'app/c', 'app/x/d', 'app/x/y/e', 'app/closed/f', 'app2/g', 'app/gone', 'top'];
  for (const path of paths) {
    const metadata = { owner: 'ops', tags: ['t'] };
    const written = await house.ask('PUT', `/v1/secrets/${path}`, { body: { data: { secret: 'hidden' }, metadata } });
    assert.is(written.status, 201, written.text);
  }
  assert.is((await house.ask('DELETE', '/v1/secrets/app/gone')).status, 200);
});
test.after(() => house.stop());

const ask = (paths: readonly unknown[], expand?: boolean, id = requestId()) =>
  house.ask('POST', '/v1/secrets/batch:metadata', {
    body: { paths, ...(expand === undefined ? {} : { expand_wildcards: expand }) },
    headers: { 'x-request-id': id },
  });

async function found(...patterns: string[]): Promise<readonly string[]> {
  const { status, body, text } = await ask(patterns, true);
  assert.is(status, 200, text);
  assert.equal(body.errors, {});
  assert.is(body.truncated, false);
  return Object.keys(body.secrets).sort();
}

test('shows of each path what its :metadata shows, deleted or not, and never a value', async () => {
  const { status, body, text } = await ask(['app/a', 'app/gone', 'app/none', 'app/c']);
  assert.is(status, 200, text);
  assert.not.match(text, 'hidden');
  assert.equal(Object.keys(body.secrets), ['app/a', 'app/gone']);
  for (const path of ['app/a', 'app/gone']) {
    const single = await house.ask('GET', `/v1/secrets/${path}:metadata`);
    assert.equal(body.secrets[path], single.body);
  }
  assert.is(body.errors['app/none'].code, 'secret_not_found');
  assert.is(body.errors['app/c'].code, 'access_denied');
  assert.is(body.truncated, false);
});

test('leaves one entry a path, and one a wildcard with how many it stood for', async () => {
  const id = requestId();
  const { body } = await ask(['app/a', 'app/c', 'app/x/**'], true, id);
  const rows = await house.audited(id);
  assert.equal(new Set(rows.map(({ action }) => action)), new Set(['metadata_read']));
  const seen = rows.map(({ secret_path, success, error_code }) => [secret_path, success, error_code]);
  assert.equal(
    seen.sort((a, b) => String(a[0]).localeCompare(String(b[0]))),
    [
      ['app/a', true, null],
      ['app/c', false, 'access_denied'],
      ['app/x/**', true, null],
    ],
  );
  assert.is(rows.find(({ secret_path }) => secret_path === 'app/x/**')?.extra_data.secrets, 2);
  const denied = rows.find(({ secret_path }) => secret_path === 'app/c');
  assert.is(body.errors['app/c'].details.decision_id, denied?.id);
});

test('a wildcard stands for what the caller may list, and for nothing that is deleted', async () => {
  assert.equal(await found('app/**'), ['app/a', 'app/b', 'app/x/d', 'app/x/y/e']);
  assert.equal(await found('app/*'), ['app/a', 'app/b']);
  assert.equal(await found('app/x/*'), ['app/x/d']);
  assert.equal(await found('*'), ['top']);
  assert.equal(await found('**'), ['app/a', 'app/b', 'app/x/d', 'app/x/y/e', 'app2/g', 'top']);
  assert.equal(await found('app/closed/**', 'nothing/*'), []);
});

test('a path that is named and stood for is shown once', async () => {
  assert.equal(await found('app/a', 'app/*', 'app/**', 'app/x/d'), ['app/a', 'app/b', 'app/x/d', 'app/x/y/e']);
});

test('a wildcard stands for a thousand secrets at most, and the answer says that there are more', async () => {
  await house.sql(
    `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version)
     SELECT $1, 'sec_many' || n, 'many/' || CASE WHEN n % 2 = 0 THEN '' ELSE 'f' || n || '/' END || n, 'kv', 1
     FROM generate_series(1, 2400) n`,
    [house.tenantId],
  );
  const deep = await ask(['many/**'], true);
  assert.is(Object.keys(deep.body.secrets).length, 1_000);
  assert.is(deep.body.truncated, true);
  const shallow = await ask(['many/*'], true);
  assert.is(Object.keys(shallow.body.secrets).length, 1_000);
  assert.ok(Object.keys(shallow.body.secrets).every((path) => /^many\/\d+$/.test(path)));
  assert.is(shallow.body.truncated, true);
  const both = await ask(['app/a', 'many/**', 'app2/**'], true);
  assert.is(Object.keys(both.body.secrets).length, 1_001, 'what is named comes on top');
  assert.is(both.body.truncated, true);
  await house.sql(`DELETE FROM secrets WHERE id LIKE 'sec_many%' AND substr(id, 9)::int > 1999`);
  const exact = await ask(['many/*'], true);
  assert.is(Object.keys(exact.body.secrets).length, 999);
  assert.is(exact.body.truncated, false);
});

test('a wildcard in another place is refused, and one that nobody asked to expand is no path', async () => {
  for (const path of ['app/*/x', 'a*', 'app/a*', '**/a', 'app/***', 'app/**/x', '*/*', 'app/?*']) {
    const { status, body } = await ask(['app/a', path], true);
    assert.is(status, 400, path);
    assertError(body, 'invalid_glob');
    assert.is(body.error.details.index, 1);
  }
  for (const path of ['/*', 'App/*', 'a//*', 'a.b/**']) {
    const { status, body } = await ask([path], true);
    assert.is(status, 400, path);
    assertError(body, 'invalid_path');
  }
  for (const expand of [false, undefined]) assertError((await ask(['app/*'], expand)).body, 'invalid_path');
});

test('takes 1 to 100 entries, each once, and no member that it does not know', async () => {
  const many = Array.from({ length: 101 }, (_, n) => `app/${n}`);
  for (const body of [
    { paths: many },
    { paths: [] },
    { paths: ['a', 'a'] },
    { paths: ['a/*', 'a/*'], expand_wildcards: true },
    { paths: ['a'], expand_wildcards: 'yes' },
    { paths: ['a'], options: {} },
  ]) {
    const answer = await house.ask('POST', '/v1/secrets/batch:metadata', { body });
    assert.is(answer.status, 422, answer.text);
  }
});

test('needs the scope secrets:list, and no other', async () => {
  const asked = { body: { paths: ['app/a'] } };
  const only = await house.ask('POST', '/v1/secrets/batch:metadata', {
    ...asked,
    token: house.token({ scope: 'secrets:list' }),
  });
  assert.is(only.status, 200);
  const read = await house.ask('POST', '/v1/secrets/batch:metadata', {
    ...asked,
    token: house.token({ scope: 'secrets:read' }),
  });
  assertError(read.body, 'insufficient_scope');
});

test('a secret called batch keeps its own routes', async () => {
  assert.is((await house.ask('PUT', '/v1/secrets/batch', { body: { data: { a: 1 } } })).status, 201);
  assert.equal((await house.ask('GET', '/v1/secrets/batch')).body.data, { a: 1 });
  assert.is((await house.ask('GET', '/v1/secrets/batch:metadata')).body.path, 'batch');
});

test.run();
