import * as assert from 'uvu/assert';
import { type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('max_versions, and going back');
let house: House;
let calls: ReturnType<typeof callsOf>;
/** A writer who may not delete: by its policy, and by its token. */
let byPolicy: { token: string };
let byScope: { token: string };

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write', 'list'] }], 'user:usr_writer');
  byPolicy = { token: house.token({ sub: 'usr_writer' }) };
  byScope = { token: house.token({ scope: 'secrets:read secrets:write secrets:list' }) };
});
test.after(() => house.stop());

async function fill(path: string, count: number, options?: object): Promise<void> {
  for (let a = 1; a <= count; a++) await calls.put(path, { a }, options);
}

/** As if versions had become unreadable so much earlier. */
const age = (path: string, days: number) =>
  house.sql(
    `UPDATE secret_versions v SET unreadable_at = unreadable_at - $2 * interval '1 day' FROM secrets s
     WHERE s.path = $1 AND v.tenant_id = s.tenant_id AND v.secret_id = s.id`,
    [path, days],
  );

const refusals = async (call: (over: object) => ReturnType<typeof calls.get>) => {
  const scope = await call(byScope);
  assertRefused(scope, 403, 'insufficient_scope');
  assert.is(scope.body.error.details.scope, 'secrets:delete');
  const policy = await call(byPolicy);
  assertRefused(policy, 403, 'access_denied');
  assert.is(policy.body.error.details.permission, 'delete');
  assert.match(policy.body.error.details.decision_id, /^log_/);
};

test('ten stay readable unless another number is given', async () => {
  await fill('app/ten', 12);
  assert.is((await calls.metadata('app/ten')).body.version_count, 10);
  assert.equal((await calls.states('app/ten')).slice(8), [
    '4 superseded',
    '3 superseded',
    '2 superseded!',
    '1 superseded!',
  ]);
  assertRefused(await calls.get('app/ten?version=2'), 404, 'version_not_found');
  assert.is((await calls.get('app/ten?version=3')).body.data.a, 3);
  const { versions } = (await calls.versions('app/ten')).body;
  assert.ok(Math.abs(Date.parse(versions[10].readable_until) - Date.now()) < 60_000);
  assert.is(versions[0].readable_until, null);
});

test('a number given once is kept, and 0 is all of them', async () => {
  await fill('app/two', 2, { max_versions: 2 });
  await fill('app/two', 2);
  assert.equal(await calls.states('app/two'), ['4 current', '3 superseded', '2 superseded!', '1 superseded!']);
  await fill('app/two', 9, { max_versions: 0 });
  assert.is((await calls.metadata('app/two')).body.version_count, 11);
  await fill('app/one', 3, { max_versions: 1 });
  assert.equal(await calls.states('app/one'), ['3 current', '2 superseded!', '1 superseded!']);
});

test('a write says in the audit log what it pushed out', async () => {
  await fill('app/said', 2, { max_versions: 2 });
  const headers = { 'x-request-id': requestId() };
  await calls.put('app/said', { a: 3 }, undefined, { headers });
  const [row] = await house.audited(headers['x-request-id']);
  assert.is(row?.version, 3);
  assert.equal(row?.extra_data, { versions_superseded: [1] });
});

test('lowered below what exists it needs delete, by the policy and by the token', async () => {
  await fill('app/lower', 5);
  await refusals((over) => calls.put('app/lower', { a: 6 }, { max_versions: 4 }, over));
  await refusals((over) => calls.patch('app/lower', { a: 6 }, { max_versions: 1 }, over));
  await refusals((over) => calls.patchMetadata('app/lower', { options: { max_versions: 4 } }, over));
  assert.is((await calls.states('app/lower'))[0], '5 current', 'nothing was written');
  assert.is((await calls.metadata('app/lower')).body.options.max_versions, 10);
  assert.is(
    (await calls.put('app/lower', { a: 6 }, { max_versions: 5 }, byPolicy)).status,
    200,
    'as many as there are',
  );
  assert.equal(await calls.states('app/lower').then((all) => all.slice(4)), ['2 superseded', '1 superseded!']);
  const patched = await calls.patchMetadata('app/lower', { options: { max_versions: 2 } });
  assert.is(patched.status, 200, patched.text);
  assert.is(patched.body.version_count, 2);
  assert.is(patched.body.current_version, 6);
  assert.equal(patched.body.options, { max_versions: 2 });
  assert.is((await calls.put('app/lower', { a: 7 }, { max_versions: 1 })).status, 200);
  assert.is((await calls.metadata('app/lower')).body.version_count, 1);
  const raised = await calls.patchMetadata('app/lower', { options: { max_versions: 9 } }, byPolicy);
  assert.is(raised.body.version_count, 1, 'what was pushed out stays so');
});

test('a permission to delete that was taken away meanwhile does not count', async () => {
  const policyId = await house.allow([{ path_pattern: 'taken/**', permissions: ['write', 'list', 'delete'] }]);
  await fill('taken/a', 3);
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policyId]);
  await house.allow([{ path_pattern: 'taken/**', permissions: ['write', 'list'] }]);
  await house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  assertRefused(await calls.put('taken/a', {}, { max_versions: 1 }), 403, 'access_denied');
  assert.is((await calls.put('taken/a', {})).status, 200);
});

test('takes a number of versions that there can be', async () => {
  for (const max_versions of [-1, 1.5, '3', null, 10_001, 1e9, true, [1]]) {
    for (const answer of [
      await calls.put('app/number', {}, { max_versions }),
      await calls.patch('app/number', {}, { max_versions }),
      await calls.patchMetadata('app/number', { options: { max_versions } }),
    ]) {
      assertRefused(answer, 422, 'validation_error');
      assert.ok('options.max_versions' in answer.body.error.details.fields, answer.text);
    }
  }
  assertRefused(await calls.metadata('app/number'), 404, 'secret_not_found');
});

test('going back writes a copy as a new version', async () => {
  await calls.put('app/back', { a: 1, nested: { b: [1] } }, { expires_in: '90d' });
  await calls.put('app/back', { a: 2 });
  const { expires_at } = (await calls.get('app/back')).body;
  const headers = { 'x-request-id': requestId() };
  const answer = await calls.rollback('app/back', 1, { headers });
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.headers.get('etag'), '"3"');
  assert.is(answer.body.version, 3);
  assert.is(answer.body.created, false);
  assert.is(answer.body.expires_at, expires_at);
  assert.not('data' in answer.body);
  assert.equal((await calls.get('app/back')).body.data, { a: 1, nested: { b: [1] } });
  const { versions } = (await calls.versions('app/back')).body;
  assert.equal(
    versions.map((each: { created_from: number | null }) => each.created_from),
    [1, null, null],
  );
  const [row] = await house.audited(headers['x-request-id']);
  assert.is(row?.action, 'rollback');
  assert.is(row?.version, 3);
  assert.equal(row?.extra_data, { from_version: 1 });
  assert.is((await calls.rollback('app/back', 3)).body.version, 4, 'to the current one too');
  const sealed = await house.sql<{ ciphertext: Buffer; wrapped_key: Buffer }>(
    `SELECT v.* FROM secrets s JOIN secret_versions v ON v.secret_id = s.id WHERE s.path = 'app/back'`,
  );
  assert.is(
    new Set(sealed.map((each) => each.wrapped_key.toString('hex'))).size,
    4,
    'each under a data key of its own',
  );
});

test('going back expects a version where one is given', async () => {
  await fill('app/cas', 3);
  assertRefused(await calls.rollback('app/cas', 1, { headers: { 'if-match': '"2"' } }), 409, 'version_conflict');
  assert.is((await calls.rollback('app/cas', 1, { headers: { 'if-match': '"3"' } })).body.version, 4);
});

test('to what was pushed out within its retention, with delete too', async () => {
  await fill('app/out', 4, { max_versions: 2 });
  await refusals((over) => calls.rollback('app/out', 1, over));
  assert.is((await calls.rollback('app/out', 3, byPolicy)).status, 200, 'a readable one needs no more than write');
  const answer = await calls.rollback('app/out', 1);
  assert.is(answer.body.version, 6, answer.text);
  assert.is((await calls.get('app/out')).body.data.a, 1);
  await age('app/out', 31);
  assertRefused(await calls.rollback('app/out', 2), 404, 'version_not_found');
});

test('to nothing that is not there', async () => {
  await fill('app/there', 2);
  await calls.destroy('app/there', [1]);
  for (const version of [1, 3, 2_147_483_647]) {
    const answer = await calls.rollback('app/there', version);
    assertRefused(answer, 404, 'version_not_found');
    assert.is(answer.body.error.details.current_version, 2);
  }
  for (const version of [undefined, null, 0, -1, 1.5, '1', 2_147_483_648, [1]]) {
    assertRefused(await calls.rollback('app/there', version), 422, 'validation_error');
  }
  assertRefused(await calls.rollback('app/nowhere', 1), 404, 'secret_not_found');
});

test('goes back to a version under a key that was retired', async () => {
  await fill('app/rekeyed', 2);
  const retire = () =>
    house.sql(
      "UPDATE tenant_keys SET state = 'retiring', active_mac = NULL WHERE tenant_id = $1 AND state = 'active'",
      [house.tenantId],
    );
  await retire();
  assert.is((await calls.rollback('app/rekeyed', 1)).body.version, 3);
  assert.is((await calls.get('app/rekeyed')).body.data.a, 1);
  await retire();
  assert.is((await calls.patch('app/rekeyed', { b: 2 })).body.version, 4);
  assert.equal((await calls.get('app/rekeyed')).body.data, { a: 1, b: 2 });
});

test.run();
