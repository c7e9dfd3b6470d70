/** What a request looked up before its work may have changed meanwhile, by another process: it is looked up again. */
import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('what changed meanwhile');
let house: House;

test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

const write = (path: string, word: string, headers = {}) =>
  house.ask('PUT', `/v1/secrets/${path}`, { body: { data: { word } }, headers });

test('a value is never stored under a key that was retired', async () => {
  await house.allow([{ path_pattern: 'keys/**', permissions: ['read', 'write'] }]);
  assert.is((await write('keys/a', 'before')).status, 201);
  await house.sql("UPDATE tenant_keys SET state = 'retiring', active_mac = NULL WHERE tenant_id = $1", [
    house.tenantId,
  ]);
  const second = await write('keys/a', 'after');
  assert.is(second.status, 200, second.text);
  assert.is(second.body.version, 2);
  const rows = await house.sql<{ version: number; state: string }>(
    `SELECT v.version, k.state FROM secret_versions v JOIN tenant_keys k ON k.tenant_id = v.tenant_id AND k.id = v.key_id
     WHERE v.tenant_id = $1 ORDER BY v.version`,
    [house.tenantId],
  );
  assert.equal(rows, [
    { version: 1, state: 'retiring' },
    { version: 2, state: 'active' },
  ]);
  assert.is((await house.ask('GET', '/v1/secrets/keys/a?version=1')).body.data.word, 'before');
  assert.is((await house.ask('GET', '/v1/secrets/keys/a')).body.data.word, 'after');
});

test('a permission taken away by another process counts at the next request, for a read and for a write', async () => {
  const policyId = await house.allow([{ path_pattern: 'taken/**', permissions: ['read', 'write'] }]);
  assert.is((await write('taken/a', 'mine')).status, 201);
  assert.is((await house.ask('GET', '/v1/secrets/taken/a')).status, 200);
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policyId]);
  await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  const id = requestId();
  const read = await house.ask('GET', '/v1/secrets/taken/a', { headers: { 'x-request-id': id } });
  assert.is(read.status, 403, read.text);
  assertError(read.body, 'access_denied');
  const [row, ...more] = await house.audited(id);
  assert.equal(more, []);
  assert.is(row?.success, false);
  assert.is(row?.id, read.body.error.details.decision_id);
  assert.is(row?.decision?.reason, 'no_matching_rule', 'the decision that counted, not the outdated one');

  const again = await house.allow([{ path_pattern: 'taken/**', permissions: ['read', 'write'] }]);
  assert.is((await write('taken/a', 'mine again')).status, 200);
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [again]);
  await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  assert.is((await write('taken/a', 'not mine any more')).status, 403);
  const [secret] = await house.sql<{ current_version: number }>(
    "SELECT current_version FROM secrets WHERE path = 'taken/a'",
  );
  assert.is(secret?.current_version, 2);
});

const LATER_CALLS = [
  ['PATCH', '', { data: { a: 2 } }],
  ['POST', ':rollback', { version: 1 }],
  ['DELETE', '', undefined],
  ['DELETE', '?permanent=true', undefined],
  ['POST', ':undelete', undefined],
  ['POST', ':destroy', { versions: [1] }],
  ['GET', ':metadata', undefined],
  ['PATCH', ':metadata', { metadata: { owner: 'mine' } }],
  ['GET', ':versions', undefined],
] as const;

for (const [method, suffix, body] of LATER_CALLS) {
  test(`the same for ${method}${suffix}`, async () => {
    const path = `gone${LATER_CALLS.findIndex((call) => call[0] === method && call[1] === suffix)}/a`;
    const everything = ['read', 'write', 'delete', 'list', 'admin'];
    const policyId = await house.allow([{ path_pattern: path, permissions: everything }]);
    await write(path, 'mine');
    const state = () =>
      house.sql(
        `SELECT s.current_version, s.deleted_at, s.owner, v.destroyed_at FROM secrets s
         JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id WHERE s.path = $1`,
        [path],
      );
    const before = await state();
    assert.is(before.length, 1);
    await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policyId]);
    await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
    const answer = await house.ask(method, `/v1/secrets/${path}${suffix}`, body === undefined ? {} : { body });
    assert.is(answer.status, 403, answer.text);
    assertError(answer.body, 'access_denied');
    assert.equal(await state(), before);
  });
}

test('what a change needs beside its route is judged anew too', async () => {
  await house.allow([{ path_pattern: 'beside/**', permissions: ['read', 'write', 'delete'] }]);
  const policyId = await house.allow([{ path_pattern: 'beside/**', permissions: ['admin'] }]);
  await write('beside/a', 'mine');
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policyId]);
  await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  const answer = await house.ask('DELETE', '/v1/secrets/beside/a?permanent=true');
  assert.is(answer.status, 403, answer.text);
  assert.is(answer.body.error.details.permission, 'admin');
  assert.is((await house.ask('GET', '/v1/secrets/beside/a')).status, 200);
});

test('the audit entry names the decision that counted, also where it came out the same', async () => {
  await house.allow([{ path_pattern: 'named/**', permissions: ['read', 'write'] }]);
  await write('named/a', 'one');
  const raise = () =>
    house.sql<{ policy_epoch: number }>(
      'UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1 RETURNING policy_epoch::integer',
      [house.tenantId],
    );
  for (const ask of [
    (headers: Record<string, string>) => house.ask('GET', '/v1/secrets/named/a', { headers }),
    (headers: Record<string, string>) => write('named/a', 'two', headers),
  ]) {
    const [tenant] = await raise();
    const id = requestId();
    assert.is((await ask({ 'x-request-id': id })).status, 200);
    const [row] = await house.audited(id);
    assert.is(row?.decision?.policy_epoch, tenant?.policy_epoch);
  }
});

test('a change that does not concern the caller costs nothing but a second look', async () => {
  await house.allow([{ path_pattern: 'looked/**', permissions: ['read', 'write'] }]);
  await write('looked/a', 'one');
  for (const epoch of ['policy_epoch', 'subject_epoch']) {
    await house.sql(`UPDATE tenants SET ${epoch} = ${epoch} + 1 WHERE tenant_id = $1`, [house.tenantId]);
    const id = requestId();
    assert.is((await write('looked/a', epoch, { 'x-request-id': id })).status, 200);
    assert.is((await house.audited(id)).length, 1);
    await house.sql(`UPDATE tenants SET ${epoch} = ${epoch} + 1 WHERE tenant_id = $1`, [house.tenantId]);
    assert.is((await house.ask('GET', '/v1/secrets/looked/a')).body.data.word, epoch);
  }
});

test.run();
