import * as assert from 'uvu/assert';
import { type House, requestId, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, assertRefused, callsOf } from './calls.ts';

const test = suite('metadata and history');
let house: House;
let calls: ReturnType<typeof callsOf>;

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: 'app/**', permissions: ALL }]);
});
test.after(() => house.stop());

const FULL = { description: 'Database', tags: ['prod', 'db'], owner: 'team-a', custom: { ticket: 7 } };

test('say all that is known, and no value', async () => {
  await calls.ask('PUT', 'app/full', { data: { word: 'w' }, secret_type: 'json', metadata: FULL });
  await calls.put('app/full', { word: 'w' });
  const headers = { 'x-request-id': requestId() };
  const answer = await calls.metadata('app/full', { headers });
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.headers.get('etag'), '"2"');
  const { created_at, updated_at, ...rest } = answer.body;
  assert.equal(rest, {
    path: 'app/full',
    secret_type: 'json',
    current_version: 2,
    version_count: 2,
    metadata: FULL,
    options: { max_versions: 10 },
    expires_at: null,
    last_accessed_at: null,
    deleted_at: null,
    recoverable_until: null,
    rotation_policy_id: null,
    secret_policy_id: null,
  });
  assert.ok(Date.parse(created_at) <= Date.parse(updated_at));
  const [row] = await house.audited(headers['x-request-id']);
  assert.is(row?.action, 'metadata_read');
  assert.is(row?.version, 2);
});

test('are changed member by member, without a new version', async () => {
  await calls.ask('PUT', 'app/changed', { data: {}, metadata: FULL });
  const headers = { 'x-request-id': requestId() };
  const answer = await calls.patchMetadata(
    'app/changed',
    { metadata: { tags: ['x'], description: '' }, options: { max_versions: 4 } },
    { headers },
  );
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.headers.get('etag'), '"1"');
  assert.equal(answer.body.metadata, { description: '', tags: ['x'], owner: 'team-a', custom: { ticket: 7 } });
  assert.is(answer.body.current_version, 1);
  assert.equal(answer.body, (await calls.metadata('app/changed')).body);
  assert.equal((await calls.get('app/changed')).body.metadata, answer.body.metadata);
  const [row] = await house.audited(headers['x-request-id']);
  assert.is(row?.action, 'metadata_write');
  assert.equal(row?.extra_data, { changed: ['tags', 'description', 'max_versions'] });
  const custom = await calls.patchMetadata('app/changed', { metadata: { custom: { a: { b: [] } } } });
  assert.equal(custom.body.metadata.custom, { a: { b: [] } }, 'custom is replaced as a whole');
});

test('are seen as they are, whatever tag a reader remembers', async () => {
  await calls.put('app/tag', {});
  await calls.patchMetadata('app/tag', { metadata: { owner: 'new' } });
  for (const suffix of ['metadata', 'versions']) {
    const answer = await calls.ask('GET', `app/tag:${suffix}`, undefined, { headers: { 'if-none-match': '"1"' } });
    assert.is(answer.status, 200, suffix);
    assert.is(answer.headers.get('etag'), '"1"');
  }
});

test('expect a version where one is given', async () => {
  await calls.put('app/cas', {});
  await calls.put('app/cas', {});
  const change = { metadata: { owner: 'me' } };
  assertRefused(await calls.patchMetadata('app/cas', { ...change, options: { cas: 1 } }), 409, 'version_conflict');
  assertRefused(
    await calls.patchMetadata('app/cas', change, { headers: { 'if-match': '"1"' } }),
    409,
    'version_conflict',
  );
  assert.is((await calls.patchMetadata('app/cas', change, { headers: { 'if-match': '"2"' } })).status, 200);
});

test('need list to be seen and write to be changed', async () => {
  await calls.put('app/rights', {});
  const lister = { token: house.token({ scope: 'secrets:list' }) };
  const writer = { token: house.token({ scope: 'secrets:write secrets:read secrets:delete' }) };
  assert.is((await calls.metadata('app/rights', lister)).status, 200);
  assert.is((await calls.versions('app/rights', '', lister)).status, 200);
  assertRefused(await calls.patchMetadata('app/rights', { options: {} }, lister), 403, 'insufficient_scope');
  assertRefused(await calls.metadata('app/rights', writer), 403, 'insufficient_scope');
  assertRefused(await calls.versions('app/rights', '', writer), 403, 'insufficient_scope');
  assert.is((await calls.patchMetadata('app/rights', { options: {} }, writer)).status, 200);
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write', 'delete'] }], 'user:usr_no_list');
  const noList = { token: house.token({ sub: 'usr_no_list' }) };
  assertRefused(await calls.metadata('app/rights', noList), 403, 'access_denied');
  assertRefused(await calls.versions('app/rights', '', noList), 403, 'access_denied');
});

test('a change of nothing, of something unknown or of another form is refused', async () => {
  await calls.put('app/form', {});
  const bodies = [
    {},
    { data: { a: 1 } },
    { tags: ['x'] },
    { metadata: { tag: 'x' } },
    { metadata: { tags: 'x' } },
    { metadata: { tags: ['x', 'x'] } },
    { metadata: { description: null } },
    { metadata: { custom: [] } },
    { metadata: { owner: '\u0000' } },
    { metadata: { description: 'x'.repeat(1025) } },
    { options: null },
    { secret_type: 'json' },
  ];
  for (const body of bodies) {
    assertRefused(await calls.patchMetadata('app/form', body), 422, 'validation_error');
  }
  assertRefused(await calls.patchMetadata('app/nothing', { options: {} }), 404, 'secret_not_found');
  assertRefused(await calls.metadata('app/nothing'), 404, 'secret_not_found');
  assertRefused(await calls.ask('GET', 'app/form:metadata?x=1'), 422, 'validation_error');
});

test('are refused when they are large: a list carries a thousand of them', async () => {
  for (const [size, status] of [
    [16 * 1024 - 20, 201],
    [16 * 1024, 422],
  ] as const) {
    const custom = { note: 'é'.repeat(size / 2) };
    const answer = await calls.ask('PUT', `app/large-${size}`, { data: {}, metadata: { custom } });
    assert.is(answer.status, status, answer.text.slice(0, 200));
  }
});

test('the history goes backwards, page by page', async () => {
  for (let a = 1; a <= 7; a++) await calls.put('app/paged', { a }, { max_versions: 4 });
  const seen: number[] = [];
  let cursor: string | null = null;
  do {
    const query: string = `?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`;
    const { body, text } = await calls.versions('app/paged', query);
    assert.is(body.current_version, 7, text);
    assert.is(body.has_more, body.cursor !== null);
    assert.ok(body.versions.length <= 3);
    for (const { version, created_by } of body.versions) {
      assert.is(created_by, 'user:alice@example.com');
      seen.push(version);
    }
    cursor = body.cursor;
  } while (cursor !== null);
  assert.equal(seen, [7, 6, 5, 4, 3, 2, 1]);
});

test('a page is of a legal size, and a cursor of the same person, path and tenant', async () => {
  for (let a = 1; a <= 3; a++) for (const path of ['app/one', 'app/two']) await calls.put(path, { a });
  for (const limit of ['0', '-1', '1001', '1e9', 'NaN', '', '1.5', '01', ' 1', '0x1']) {
    assertRefused(await calls.versions('app/one', `?limit=${limit}`), 422, 'validation_error');
  }
  const { cursor } = (await calls.versions('app/one', '?limit=1')).body;
  assert.is((await calls.versions('app/one', `?limit=2&cursor=${cursor}`)).body.versions[0].version, 2);
  assertRefused(await calls.versions('app/two', `?limit=1&cursor=${cursor}`), 400, 'invalid_cursor');
  await house.allow([{ path_pattern: 'app/**', permissions: ['list'] }], 'user:usr_other');
  const other = { token: house.token({ sub: 'usr_other' }) };
  assertRefused(await calls.versions('app/one', `?cursor=${cursor}`, other), 400, 'invalid_cursor');
  for (const forged of [`${cursor}x`, `x${cursor}`, cursor.replace('.', ''), 'x', '.', `${cursor}=`]) {
    assertRefused(await calls.versions('app/one', `?cursor=${forged}`), 400, 'invalid_cursor');
  }
});

test.run();
