import * as assert from 'uvu/assert';
import { type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('deleting a secret');
let house: House;
let calls: ReturnType<typeof callsOf>;

const DAY = 86_400_000;

test.before(async () => {
  house = await startHouse({ BACKUP_RETENTION: '35d' });
  calls = callsOf(house);
  await house.allow([
    { path_pattern: 'app/**', permissions: ALL },
    { path_pattern: 'plain/**', permissions: ['read', 'write', 'delete', 'list'] },
  ]);
});
test.after(() => house.stop());

/** As if that much time had passed since the deletion. */
const age = (path: string, days: number) =>
  house.sql(`UPDATE secrets SET deleted_at = deleted_at - $2 * interval '1 day' WHERE path = $1`, [path, days]);

const near = (text: string, ms: number) => Math.abs(Date.parse(text) - ms) < 60_000;

test('makes it unreadable and says until when it can be brought back', async () => {
  await calls.put('app/soft', { a: 1 });
  await calls.put('app/soft', { a: 2 });
  const deleted = await calls.remove('app/soft');
  assert.is(deleted.status, 200, deleted.text);
  const { recoverable_until, ...rest } = deleted.body;
  assert.equal(rest, { path: 'app/soft', permanent: false, version_count: 2, unrecoverable_after: null });
  assert.ok(near(recoverable_until, Date.now() + 30 * DAY), recoverable_until);
  for (const target of ['app/soft', 'app/soft?version=1', 'app/soft?version=9']) {
    const read = await calls.get(target);
    assertRefused(read, 404, 'secret_not_found');
    assert.is(read.body.error.details.recoverable_until, recoverable_until);
  }
  const metadata = await calls.metadata('app/soft');
  assert.is(metadata.status, 200);
  assert.is(metadata.body.recoverable_until, recoverable_until);
  assert.is.not(metadata.body.deleted_at, null);
  assert.equal(await calls.states('app/soft'), ['2 deleted!', '1 deleted!']);
});

test('a deleted secret is deleted once, and written by nobody', async () => {
  await calls.put('app/gone', { a: 1 });
  await calls.remove('app/gone');
  const again = await calls.remove('app/gone');
  assertRefused(again, 404, 'secret_not_found');
  assert.ok(again.body.error.details.recoverable_until);
  for (const answer of await Promise.all([
    calls.put('app/gone', { a: 2 }),
    calls.put('app/gone', { a: 2 }, { cas: 0 }),
    calls.put('app/gone', { a: 2 }, { cas: 1 }),
    calls.put('app/gone', { a: 2 }, undefined, { headers: { 'if-none-match': '*' } }),
    calls.patch('app/gone', { a: 2 }),
    calls.rollback('app/gone', 1),
    calls.patchMetadata('app/gone', { metadata: { owner: 'me' } }),
  ])) {
    assertRefused(answer, 409, 'secret_exists');
    assert.match(answer.body.error.message, /:undelete.*permanent=true/);
    assert.ok(answer.body.error.details.recoverable_until);
  }
});

test('undeleting brings everything back', async () => {
  await calls.put('app/back', { a: 1 });
  await calls.put('app/back', { a: 2 });
  await calls.remove('app/back');
  const undeleted = await calls.undelete('app/back');
  assert.is(undeleted.status, 200, undeleted.text);
  assert.is(undeleted.headers.get('etag'), '"2"');
  assert.equal(undeleted.body, (await calls.metadata('app/back')).body);
  assert.is(undeleted.body.deleted_at, null);
  assert.is((await calls.get('app/back')).body.data.a, 2);
  assert.is((await calls.get('app/back?version=1')).body.data.a, 1);
  assert.is((await calls.put('app/back', { a: 3 })).body.version, 3);
  assertRefused(await calls.undelete('app/back'), 409, 'secret_exists');
  assertRefused(await calls.undelete('app/never'), 404, 'secret_not_found');
});

test('deleted for good, the path is free and begins anew', async () => {
  await calls.put('app/final', { a: 1 }, { expires_in: '90d', max_versions: 3 });
  await calls.put('app/final', { a: 2 });
  const deleted = await calls.shred('app/final');
  assert.is(deleted.status, 200, deleted.text);
  const { unrecoverable_after, ...rest } = deleted.body;
  assert.equal(rest, { path: 'app/final', permanent: true, version_count: 2, recoverable_until: null });
  assert.ok(near(unrecoverable_after, Date.now() + 35 * DAY));
  for (const answer of await Promise.all([
    calls.get('app/final'),
    calls.metadata('app/final'),
    calls.versions('app/final'),
    calls.undelete('app/final'),
    calls.remove('app/final'),
    calls.shred('app/final'),
    calls.rollback('app/final', 1),
    calls.destroy('app/final', [1]),
  ])) {
    assertRefused(answer, 404, 'secret_not_found');
    assert.is(answer.body.error.details, undefined);
  }
  const written = await calls.put('app/final', { a: 'new' });
  assert.is(written.status, 201, written.text);
  assert.is(written.body.version, 1);
  assert.is(written.body.expires_at, null);
  assert.is((await calls.metadata('app/final')).body.options.max_versions, 10);
});

test('a deleted secret can be deleted for good', async () => {
  await calls.put('app/both', { a: 1 });
  await calls.remove('app/both');
  assert.is((await calls.shred('app/both')).body.permanent, true);
  assert.is((await calls.put('app/both', { a: 2 })).status, 201);
});

test('when its retention is over there is nothing, and its path is free at once', async () => {
  await calls.put('app/old', { a: 1 });
  await calls.remove('app/old');
  await age('app/old', 29);
  assert.ok((await calls.get('app/old')).body.error.details.recoverable_until);
  await age('app/old', 2);
  for (const answer of [
    await calls.get('app/old'),
    await calls.metadata('app/old'),
    await calls.versions('app/old'),
    await calls.undelete('app/old'),
    await calls.patch('app/old', {}),
    await calls.shred('app/old'),
  ]) {
    assertRefused(answer, 404, 'secret_not_found');
    assert.is(answer.body.error.details, undefined);
  }
  assertRefused(await calls.put('app/old', { a: 2 }, { cas: 1 }), 409, 'version_conflict');
  const written = await Promise.all([1, 2, 3].map((a) => calls.put('app/old', { a })));
  assert.equal(written.map(({ status }) => status).sort(), [200, 200, 201]);
  assert.equal(written.map(({ body }) => body.version).sort(), [1, 2, 3]);
  const [removal, ...more] = await house.sql<{ identity_type: string; tenant_id: string; extra_data: object }>(
    "SELECT * FROM audit_log WHERE secret_path = 'app/old' AND identity_type = 'system'",
  );
  assert.equal(more, []);
  assert.is(removal?.tenant_id, house.tenantId);
  assert.equal(removal?.extra_data, { permanent: true, version_count: 1 });
});

test('expects a version where one is given', async () => {
  await calls.put('app/cas', { a: 1 });
  await calls.put('app/cas', { a: 2 });
  const wrong = { headers: { 'if-match': '"1"' } };
  const right = { headers: { 'if-match': '"2"' } };
  for (const call of [calls.remove, calls.shred]) {
    const answer = await call('app/cas', wrong);
    assertRefused(answer, 409, 'version_conflict');
    assert.is(answer.body.error.details.current_version, 2);
  }
  assertRefused(await calls.destroy('app/cas', [1], wrong), 409, 'version_conflict');
  assert.is((await calls.remove('app/cas', right)).status, 200);
  assertRefused(await calls.undelete('app/cas', wrong), 409, 'version_conflict');
  assert.is((await calls.undelete('app/cas', right)).status, 200);
  assertRefused(await calls.remove('app/cas', { headers: { 'if-match': '2' } }), 400, 'invalid_request');
  assert.is((await calls.shred('app/cas', right)).status, 200);
});

test('takes no other words than true and false, and no body', async () => {
  await calls.put('app/words', { a: 1 });
  for (const query of [
    'permanent=',
    'permanent=1',
    'permanent=TRUE',
    'permanent=yes',
    'Permanent=true',
    'force=true',
  ]) {
    assertRefused(await calls.ask('DELETE', `app/words?${query}`), 422, 'validation_error');
  }
  assertRefused(await calls.ask('DELETE', 'app/words?permanent=true&permanent=false'), 400, 'invalid_request');
  assertRefused(await calls.ask('DELETE', 'app/words', {}), 400, 'invalid_request');
  assertRefused(await calls.ask('POST', 'app/words:undelete', {}), 400, 'invalid_request');
  assert.is((await calls.ask('DELETE', 'app/words?permanent=false')).body.permanent, false);
});

test('needs permission and scope for it, and for good another one', async () => {
  await calls.put('plain/a', { a: 1 });
  const withoutScope = { token: house.token({ scope: 'secrets:read secrets:write secrets:list' }) };
  for (const call of [calls.remove, calls.shred, calls.undelete]) {
    const answer = await call('plain/a', withoutScope);
    assertRefused(answer, 403, 'insufficient_scope');
    assert.is(answer.body.error.details.scope, 'secrets:delete');
  }
  const id = requestId();
  const refused = await calls.shred('plain/a', { headers: { 'x-request-id': id } });
  assertRefused(refused, 403, 'access_denied');
  assert.is(refused.body.error.details.permission, 'admin');
  assert.match(refused.body.error.message, /permission admin.*role tenant_admin.*DESTROY_PROTECTION/);
  const [row] = await house.audited(id);
  assert.is(row?.id, refused.body.error.details.decision_id);
  assert.is(row?.success, false);
  assert.is(row?.decision?.permission, 'admin', 'the decision that refused it');
  assert.is(row?.decision?.reason, 'no_matching_rule');
  assertRefused(await calls.destroy('plain/a', [1]), 403, 'access_denied');
  assert.is((await calls.remove('plain/a')).status, 200, 'for a while it needs no more than delete');
  assert.is((await calls.undelete('plain/a')).status, 200);
});

test('a tenant_admin may destroy what the policies let them delete', async () => {
  await calls.put('plain/b', { a: 1 });
  await house.allow([{ path_pattern: 'plain/**', permissions: ['delete'] }], `user:${house.adminSub}`);
  assert.is((await calls.destroy('plain/b', [1], { token: house.adminToken() })).status, 200);
  assert.is((await calls.shred('plain/b', { token: house.adminToken() })).status, 200);
  await calls.put('app/c', { a: 1 });
  assertRefused(await calls.shred('app/c', { token: house.adminToken() }), 403, 'access_denied');
});

test('leaves its entry in the audit log', async () => {
  await calls.put('app/logged', { a: 1 });
  const entryOf = async (call: (path: string, over: object) => Promise<unknown>) => {
    const id = requestId();
    await call('app/logged', { headers: { 'x-request-id': id } });
    const rows = await house.audited(id);
    assert.is(rows.length, 1);
    const { action, version, success, secret_path, extra_data } = rows[0]!;
    return { action, version, success, secret_path, extra_data };
  };
  const common = { version: 1, success: true, secret_path: 'app/logged' };
  assert.equal(await entryOf(calls.remove), {
    ...common,
    action: 'delete',
    extra_data: { permanent: false, version_count: 1 },
  });
  assert.equal(await entryOf(calls.undelete), { ...common, action: 'undelete', extra_data: {} });
  assert.equal(await entryOf((path, over) => calls.destroy(path, [1], over)), {
    ...common,
    version: null,
    action: 'destroy',
    extra_data: { versions_destroyed: [1] },
  });
  assert.equal(await entryOf(calls.shred), {
    ...common,
    action: 'delete',
    extra_data: { permanent: true, version_count: 0 },
  });
});

test.run();
