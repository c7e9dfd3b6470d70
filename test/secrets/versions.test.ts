import * as assert from 'uvu/assert';
import { assertError, type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('versions of a secret');
let house: House;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  for (const word of ['one', 'two', 'three']) await put('db', { data: { word } });
});
test.after(() => house.stop());

const put = (path: string, body: unknown) => house.ask('PUT', `/v1/secrets/app/${path}`, { body });
const get = (pathAndQuery: string) => house.ask('GET', `/v1/secrets/app/${pathAndQuery}`);

test('each is read under its number, the newest without one', async () => {
  for (const [at, word] of ['one', 'two', 'three'].entries()) {
    const answer = await get(`db?version=${at + 1}`);
    assert.is(answer.body.data.word, word);
    assert.is(answer.body.version, at + 1);
    assert.is(answer.headers.get('etag'), `"${at + 1}"`);
  }
  assert.is((await get('db')).body.data.word, 'three');
});

test('a number that is none is 422, one that is not there 404', async () => {
  for (const text of [
    '',
    '0',
    '-1',
    '1.0',
    '1e1',
    'NaN',
    'Infinity',
    '01',
    '%31%20',
    'latest',
    '0x1',
    '12345678901',
    '1;2',
  ]) {
    const answer = await get(`db?version=${text}`);
    assert.is(answer.status, 422, text);
    assertError(answer.body, 'validation_error');
    assert.ok('version' in answer.body.error.details.fields);
  }
  for (const text of ['4', '2147483647', '2147483648', '9999999999']) {
    const answer = await get(`db?version=${text}`);
    assert.is(answer.status, 404, `${text} ${answer.text}`);
    assertError(answer.body, 'version_not_found');
    assert.is(answer.body.error.details.current_version, 3);
  }
  assert.is((await get('db?version=%31')).body.version, 1, 'a query is decoded');
  const missing = await get('nothing?version=1');
  assert.is(missing.status, 404);
  assertError(missing.body, 'secret_not_found');
});

test('a read shows all that the contract promises, a write the same without the value', async () => {
  const metadata = {
    description: 'Database',
    tags: ['prod', 'db'],
    owner: 'team-a',
    custom: { ticket: 7, list: [1, { a: null }] },
  };
  const written = await put('full', { data: { user: 'u' }, secret_type: 'json', metadata });
  const read = await get('full');
  const names = [
    'path',
    'secret_type',
    'version',
    'metadata',
    'created_at',
    'updated_at',
    'expires_at',
    'last_accessed_at',
    'rotation_policy_id',
    'secret_policy_id',
  ];
  assert.equal(Object.keys(read.body).sort(), [...names, 'data'].sort());
  assert.equal(Object.keys(written.body).sort(), [...names, 'created'].sort());
  assert.equal(read.body.metadata, metadata);
  assert.is(read.body.secret_type, 'json');
  assert.match(read.body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  for (const name of names) assert.equal(read.body[name], written.body[name], name);
});

test('metadata and type that are left out keep their former value, members given replace it', async () => {
  await put('kept', {
    data: { a: 1 },
    secret_type: 'api_key',
    metadata: { description: 'd', tags: ['t'], owner: 'o', custom: { c: 1 } },
  });
  const second = await put('kept', { data: { a: 2 } });
  assert.equal(second.body.metadata, { description: 'd', tags: ['t'], owner: 'o', custom: { c: 1 } });
  assert.is(second.body.secret_type, 'api_key');
  const third = await put('kept', { data: { a: 3 }, metadata: { tags: [], owner: '' } });
  assert.equal(third.body.metadata, { description: 'd', tags: [], owner: '', custom: { c: 1 } });
  assert.is((await get('kept?version=1')).body.data.a, 1);
});

test('values that are odd and legal come back as they went in', async () => {
  const values = [{}, { '': '' }, { a: null }, { a: [[[]]] }, { a: '\u2028\u0000"\\/' }, { '\u{1f511}': '\u{1f512}' }];
  for (const data of values) {
    await put('odd', { data });
    assert.equal((await get('odd')).body.data, data);
  }
});

test('every type of the list is taken and no other', async () => {
  for (const type of ['kv', 'json', 'certificate', 'ssh_key', 'api_key']) {
    assert.is((await put('typed', { data: {}, secret_type: type })).body.secret_type, type);
  }
  for (const type of ['', 'KV', 'password', '__proto__', 'toString']) {
    const answer = await put('typed', { data: {}, secret_type: type });
    assert.is(answer.status, 400, type);
    assertError(answer.body, 'invalid_secret_type');
  }
  assert.is((await put('default', { data: {} })).body.secret_type, 'kv');
});

test.run();
