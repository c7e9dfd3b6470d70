import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('expiry');
let house: House;
let calls: ReturnType<typeof callsOf>;
let writer: { token: string };

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write', 'list'] }], 'user:usr_writer');
  writer = { token: house.token({ sub: 'usr_writer' }) };
});
test.after(() => house.stop());

/** As if so much time had passed. */
const age = (path: string, days: number) =>
  house.sql(`UPDATE secrets SET expires_at = expires_at - $2 * interval '1 day' WHERE path = $1`, [path, days]);

test('is said by every answer, as a duration or a time', async () => {
  const written = await calls.put('app/said', { a: 1 }, { expires_in: '1d12h' });
  assert.ok(Math.abs(Date.parse(written.body.expires_at) - Date.now() - 36 * 3_600_000) < 60_000);
  for (const answer of [await calls.get('app/said'), await calls.metadata('app/said')]) {
    assert.is(answer.body.expires_at, written.body.expires_at);
  }
  const at = '2099-01-31T12:00:00Z';
  assert.is((await calls.put('app/said', { a: 2 }, { expires_at: at })).body.expires_at, '2099-01-31T12:00:00.000Z');
  assert.is((await calls.put('app/said', { a: 3 })).body.expires_at, '2099-01-31T12:00:00.000Z', 'kept');
  assert.is((await calls.patch('app/said', { a: 4 })).body.expires_at, '2099-01-31T12:00:00.000Z');
  const { versions } = (await calls.versions('app/said')).body;
  assert.is(versions[0].readable_until, '2099-01-31T12:00:00.000Z');
  assert.is((await calls.put('app/said', { a: 5 }, { expires_at: null })).body.expires_at, null);
  const patched = await calls.patchMetadata('app/said', { options: { expires_at: '2098-01-01T00:00:00.5Z' } });
  assert.is(patched.body.expires_at, '2098-01-01T00:00:00.500Z');
  assert.is(
    (await calls.patchMetadata('app/said', { metadata: { owner: 'me' } })).body.expires_at,
    patched.body.expires_at,
  );
});

test('when it has passed, no version is readable', async () => {
  for (const a of [1, 2]) await calls.put('app/over', { a }, { expires_in: '10d' });
  await age('app/over', 11);
  for (const target of ['app/over', 'app/over?version=1', 'app/over?version=2']) {
    const answer = await calls.get(target);
    assertRefused(answer, 404, 'version_not_found');
    assert.match(answer.body.error.details.expired_at, /^\d{4}-.*Z$/);
    assert.is(answer.body.error.details.current_version, 2);
  }
  assertRefused(await calls.patch('app/over', { b: 1 }), 404, 'version_not_found');
  assert.equal(await calls.states('app/over'), ['2 expired!', '1 expired!']);
  const metadata = await calls.metadata('app/over');
  assert.is(metadata.status, 200);
  assert.is(metadata.body.version_count, 2);
});

test('one that has passed does not count for a new version, and what had expired stays so', async () => {
  for (const a of [1, 2]) await calls.put('app/anew', { a }, { expires_in: '10d' });
  await age('app/anew', 11);
  const written = await calls.put('app/anew', { a: 3 }, undefined, writer);
  assert.is(written.body.expires_at, null, written.text);
  assert.is(written.body.version, 3);
  assert.is((await calls.get('app/anew')).body.data.a, 3);
  assert.equal(await calls.states('app/anew'), ['3 current', '2 expired!', '1 expired!']);
  for (const version of [1, 2]) assertRefused(await calls.get(`app/anew?version=${version}`), 404, 'version_not_found');
  await calls.put('app/anew', { a: 4 }, { expires_in: '1d' });
  assert.equal(await calls.states('app/anew'), ['4 current', '3 superseded', '2 expired!', '1 expired!']);
});

test('what has expired comes back only with delete', async () => {
  await calls.put('app/again', { a: 1 }, { expires_in: '10d' });
  await age('app/again', 11);
  assertRefused(await calls.rollback('app/again', 1, writer), 403, 'access_denied');
  const answer = await calls.rollback('app/again', 1);
  assert.is(answer.body.expires_at, null, answer.text);
  assert.is((await calls.get('app/again')).body.data.a, 1);
  assert.equal(await calls.states('app/again'), ['2 current', '1 expired!']);
  assert.is((await calls.rollback('app/again', 1)).body.version, 3);
});

test('is put off by who may write', async () => {
  await calls.put('app/off', { a: 1 }, { expires_in: '10d' });
  await age('app/off', 11);
  assert.is((await calls.patchMetadata('app/off', { options: { expires_in: '10d' } }, writer)).status, 200);
  assert.is((await calls.get('app/off')).body.data.a, 1);
});

test('into the past it needs delete', async () => {
  await calls.put('app/past', { a: 1 });
  for (const options of [{ expires_in: '0s' }, { expires_at: '2001-01-01T00:00:00Z' }]) {
    for (const answer of await Promise.all([
      calls.put('app/past', { a: 2 }, options, writer),
      calls.put('app/past-new', { a: 2 }, options, writer),
      calls.patch('app/past', { a: 2 }, options, writer),
      calls.patchMetadata('app/past', { options }, writer),
    ])) {
      assertRefused(answer, 403, 'access_denied');
      assert.is(answer.body.error.details.permission, 'delete');
      assert.match(answer.body.error.message, /expiry in the past/);
    }
  }
  assert.is((await calls.get('app/past')).body.version, 1);
  assertRefused(await calls.get('app/past-new'), 404, 'secret_not_found');
  assert.is((await calls.put('app/past', { a: 2 }, { expires_at: '2001-01-01T00:00:00Z' })).status, 200);
  assertRefused(await calls.get('app/past'), 404, 'version_not_found');
  assert.is((await calls.patchMetadata('app/past', { options: { expires_at: null } }, writer)).status, 200);
  assert.is((await calls.get('app/past')).body.data.a, 2);
});

test('is a duration or a time that exist, and not both', async () => {
  const durations = ['', '1', '-1d', '1y', '1.5h', '12h1d', ' 1d', '1d ', '1D', 'P1D', '36501d', '9999999999d'];
  for (const expires_in of durations) {
    assertRefused(await calls.put('app/bad', {}, { expires_in }), 400, 'invalid_duration');
  }
  const times = [
    '2027-02-30T00:00:00Z',
    '2027-01-01',
    '2027-01-01T00:00:00',
    '2027-01-01T00:00:00+01:00',
    '2027-13-01T00:00:00Z',
    '2027-01-01T24:00:00Z',
    'tomorrow',
    '',
    '+010000-01-01T00:00:00Z',
  ];
  for (const expires_at of times) {
    for (const answer of [
      await calls.put('app/bad', {}, { expires_at }),
      await calls.patchMetadata('app/bad', { options: { expires_at } }),
    ]) {
      assertRefused(answer, 422, 'validation_error');
      assert.ok('options.expires_at' in answer.body.error.details.fields);
    }
  }
  for (const options of [
    { expires_in: null },
    { expires_in: 3600 },
    { expires_at: 1_900_000_000 },
    { expires_in: '1d', expires_at: '2099-01-01T00:00:00Z' },
    { expires_in: '1d', expires_at: null },
    { expires: '1d' },
    { rotation_policy_id: 'rot_1' },
  ]) {
    assertRefused(await calls.put('app/bad', {}, options), 422, 'validation_error');
  }
  assertRefused(await calls.get('app/bad'), 404, 'secret_not_found');
});

test.run();
