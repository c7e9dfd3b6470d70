import * as assert from 'uvu/assert';
import { expectedVersion, versionNumber } from '../../src/secrets/preconditions.ts';
import { assertError, type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('conditional writes');
let house: House;

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(() => house.stop());

interface Condition {
  readonly cas?: number;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
}

function put(path: string, { cas, ifMatch, ifNoneMatch }: Condition = {}, word = 'word') {
  return house.ask('PUT', `/v1/secrets/app/${path}`, {
    body: { data: { word }, options: { max_versions: 0, ...(cas === undefined ? {} : { cas }) } },
    headers: {
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
    },
  });
}

async function versionsOf(path: string): Promise<number[]> {
  const rows = await house.sql<{ version: number }>(
    `SELECT v.version FROM secrets s JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     WHERE s.path = $1 ORDER BY v.version`,
    [`app/${path}`],
  );
  return rows.map(({ version }) => version);
}

test('a path that must be free is written once', async () => {
  for (const [at, condition] of [{ cas: 0 }, { ifNoneMatch: '*' }, { cas: 0, ifNoneMatch: '*' }].entries()) {
    const path = `free-${at}`;
    const first = await put(path, condition);
    assert.is(first.status, 201, first.text);
    assert.is(first.body.created, true);
    const second = await put(path, condition);
    assert.is(second.status, 409);
    assertError(second.body, 'version_conflict');
    assert.is(second.body.error.details.current_version, 1);
    assert.equal(await versionsOf(path), [1]);
  }
});

test('a version that must be there is replaced, another one is not', async () => {
  await put('there');
  for (const condition of [{ cas: 1 }, { ifMatch: '"2"' }, { cas: 3, ifMatch: '"3"' }]) {
    assert.is((await put('there', condition)).status, 200);
  }
  for (const condition of [{ cas: 3 }, { cas: 5 }, { ifMatch: '"1"' }, { cas: 0 }, { ifNoneMatch: '*' }]) {
    const answer = await put('there', condition);
    assert.is(answer.status, 409, JSON.stringify(condition));
    assert.is(answer.body.error.details.current_version, 4);
  }
  assert.equal(await versionsOf('there'), [1, 2, 3, 4]);
});

test('a version of a path that is free is a conflict with version 0', async () => {
  for (const condition of [{ cas: 1 }, { ifMatch: '"7"' }]) {
    const answer = await put('nothing', condition);
    assert.is(answer.status, 409);
    assert.is(answer.body.error.details.current_version, 0);
  }
  assert.equal(await versionsOf('nothing'), []);
});

test('conditions that disagree are 422, whatever there is', async () => {
  const disagreeing = [
    { cas: 1, ifMatch: '"2"' },
    { cas: 0, ifMatch: '"1"' },
    { cas: 1, ifNoneMatch: '*' },
    { ifMatch: '"1"', ifNoneMatch: '*' },
  ];
  for (const condition of disagreeing) {
    const answer = await put('torn', condition);
    assert.is(answer.status, 422, JSON.stringify(condition));
    assertError(answer.body, 'validation_error');
    assert.ok('options.cas' in answer.body.error.details.fields);
  }
  assert.equal(await versionsOf('torn'), []);
});

test('a header of another form is refused', async () => {
  const ifMatch = ['3', '*', '"0"', '"01"', '"-1"', 'W/"1"', '"1", "2"', '"x"', '""', '"1e1"', '"12345678901"'];
  for (const value of ifMatch) {
    const answer = await put('form', { ifMatch: value });
    assert.is(answer.status, 400, value);
    assertError(answer.body, 'invalid_request');
  }
  for (const value of ['"1"', '**', '"*"', '']) {
    const answer = await put('form', { ifNoneMatch: value });
    assert.is(answer.status, 400, value);
  }
  assert.equal(await versionsOf('form'), []);
});

test('a version that no secret can have is a conflict like any other', async () => {
  await put('huge');
  const answer = await put('huge', { ifMatch: '"9999999999"' });
  assert.is(answer.status, 409, answer.text);
  assert.is((await put('huge', { cas: 2_147_483_647 })).status, 409);
  assert.is((await put('huge', { cas: 2_147_483_648 })).status, 422);
});

test('of two writers who expect the same version, exactly one succeeds', async () => {
  await put('raced');
  for (let version = 1; version <= 10; version++) {
    const answers = await Promise.all(['one', 'two'].map((word) => put('raced', { cas: version }, word)));
    assert.equal(answers.map(({ status }) => status).sort(), [200, 409]);
    const lost = answers.find(({ status }) => status === 409)!;
    assert.is(lost.body.error.details.current_version, version + 1);
    const winner = ['one', 'two'][answers.findIndex(({ status }) => status === 200)];
    assert.is((await house.ask('GET', '/v1/secrets/app/raced')).body.data.word, winner);
  }
  assert.equal(await versionsOf('raced'), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('of ten writers who want a free path, exactly one gets it', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => put('wanted', { ifNoneMatch: '*' })));
  assert.equal(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)]);
  assert.equal(await versionsOf('wanted'), [1]);
});

test('twenty writers without a condition: consecutive versions, none lost, each value under its number', async () => {
  const words = Array.from({ length: 20 }, (_, n) => `word-${n}`);
  const answers = await Promise.all(words.map((word) => put('crowded', {}, word)));
  const versions = answers.map(({ body }) => body.version as number);
  assert.equal(
    [...versions].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
  assert.is(answers.filter(({ status, body }) => status === 201 && body.created === true).length, 1);
  assert.is(answers.filter(({ status, body }) => status === 200 && body.created === false).length, 19);
  for (const [at, version] of versions.entries()) {
    const read = await house.ask('GET', `/v1/secrets/app/crowded?version=${version}`);
    assert.is(read.body.data.word, words[at]);
  }
  const audited = await house.sql<{ version: number }>(
    "SELECT version FROM audit_log WHERE secret_path = 'app/crowded' AND action = 'write' AND success ORDER BY version",
  );
  assert.equal(
    audited.map(({ version }) => version),
    Array.from({ length: 20 }, (_, n) => n + 1),
    'and in the audit log',
  );
});

test('the expected version is read from any of its three places', () => {
  assert.is(expectedVersion(null, null, undefined), null);
  assert.is(expectedVersion(null, null, 4), 4);
  assert.is(expectedVersion('"4"', null, undefined), 4);
  assert.is(expectedVersion('"4"', null, 4), 4);
  assert.is(expectedVersion(null, '*', undefined), 0);
  assert.is(expectedVersion(null, '*', 0), 0);
  assert.is(versionNumber('9999999999'), 2_147_483_647);
});

test.run();
