/** `GET /v1/secrets`: what it shows, page by page, and what it refuses. */
import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import type { Answer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('a list of secrets');
let house: House;

interface Fields {
  readonly type?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly owner?: string;
  readonly expiresIn?: string;
  readonly deletedAgo?: string;
  readonly tenantId?: string;
}

/** Puts a secret there as rows: a list looks at no value. */
async function shelve(path: string, fields: Fields = {}): Promise<void> {
  await house.sql(
    `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version, description, tags, owner, expires_at, deleted_at)
     VALUES ($1, 'sec_' || md5($2), $2, $3, 7, $4, $5, $6, now() + $7::interval, now() - $8::interval)`,
    [
      fields.tenantId ?? house.tenantId,
      path,
      fields.type ?? 'kv',
      fields.description ?? '',
      fields.tags ?? [],
      fields.owner ?? '',
      fields.expiresIn ?? null,
      fields.deletedAgo ?? null,
    ],
  );
}

const list = (query: Readonly<Record<string, string>> = {}, asked: Parameters<House['ask']>[2] = {}) =>
  house.ask('GET', `/v1/secrets?${new URLSearchParams(query)}`, asked);

const pathsOf = ({ body }: Answer): readonly string[] => body.secrets.map(({ path }: { path: string }) => path);

async function found(query: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const answer = await list(query);
  assert.is(answer.status, 200, answer.text);
  return pathsOf(answer);
}

/** All pages, each by the cursor of the one before. */
async function pages(query: Readonly<Record<string, string>>, between: (page: Answer) => unknown = () => {}) {
  const all: Answer[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Answer = await list({ ...query, ...(cursor === '' ? {} : { cursor }) });
    assert.is(page.status, 200, page.text);
    assert.is(page.body.has_more, page.body.cursor !== null);
    all.push(page);
    await between(page);
    cursor = page.body.cursor;
  }
  return all;
}

test.before(async () => {
  house = await startHouse();
  const roots = ['app', 'app2', 'search', 'kinds', 'ends', 'gone', 'many', 'moving', 'written'];
  await house.allow(
    roots.flatMap((root) => [root, `${root}/**`]).map((path_pattern) => ({ path_pattern, permissions: ['list'] })),
  );
  await house.allow([
    { path_pattern: 'written/**', permissions: ['write', 'delete'] },
    { path_pattern: 'app/denied/**', permissions: ['list'], effect: 'deny' },
  ]);
});
test.after(() => house.stop());

test('shows everything but the values', async () => {
  const value = 'NEVERSHOWN';
  const metadata = { description: 'the database', tags: ['prod', 'db'], owner: 'team-a', custom: { ticket: 7 } };
  const path = 'written/db';
  const put = await house.ask('PUT', `/v1/secrets/${path}`, {
    body: { data: { value }, secret_type: 'json', metadata },
  });
  assert.is(put.status, 201, put.text);
  const answer = await list({ prefix: 'written/' });
  assert.is(answer.status, 200, answer.text);
  assert.not.match(answer.text, value);
  const { secrets, ...rest } = answer.body;
  assert.equal(rest, { prefixes: [], cursor: null, has_more: false });
  const [{ created_at, updated_at, ...secret }] = secrets;
  assert.equal(secret, {
    path,
    secret_type: 'json',
    current_version: 1,
    metadata,
    expires_at: null,
    last_accessed_at: null,
    deleted_at: null,
    recoverable_until: null,
  });
  for (const time of [created_at, updated_at]) assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, time);
});

test('takes a prefix as text, and shows folders in place of what lies in them', async () => {
  for (const path of ['app', 'app/a', 'app/b/c', 'app/b/d/e', 'app/denied/x', 'app2/x', 'app/z']) await shelve(path);
  assert.equal(await found({ prefix: 'app' }), ['app', 'app/a', 'app/b/c', 'app/b/d/e', 'app/z', 'app2/x']);
  assert.equal(await found({ prefix: 'app/b/' }), ['app/b/c', 'app/b/d/e']);
  const folders = async (prefix: string) => {
    const { body } = await list({ prefix, delimiter: '/' });
    return { secrets: pathsOf({ body } as Answer), prefixes: body.prefixes };
  };
  assert.equal(await folders('app'), { secrets: ['app'], prefixes: ['app/', 'app2/'] });
  assert.equal(await folders('app/'), { secrets: ['app/a', 'app/z'], prefixes: ['app/b/'] });
  assert.equal(await folders('app/b'), { secrets: [], prefixes: ['app/b/'] });
  assert.equal(await folders('app/b/'), { secrets: ['app/b/c'], prefixes: ['app/b/d/'] });
  assert.equal(await folders('app/nothing/'), { secrets: [], prefixes: [] });
});

test('is the same under the path of the tenant, and another tenant has its own', async () => {
  const own = await house.ask('GET', `/v1/t/${house.tenantId}/secrets?prefix=app2`);
  assert.equal(pathsOf(own), ['app2/x']);
  const other = await house.ask('GET', '/v1/t/tnt_elsewhere/secrets?prefix=app2');
  assert.is(other.status, 403, other.text);
});

test('is empty for who may list nothing, and denied to who lacks the scope', async () => {
  const stranger = { token: house.token({ sub: 'usr_nobody' }) };
  const empty = await list({}, stranger);
  assert.is(empty.status, 200, empty.text);
  assert.equal(empty.body, { secrets: [], prefixes: [], cursor: null, has_more: false });
  assert.equal((await list({ delimiter: '/' }, stranger)).body.prefixes, []);
  const without = await list({}, { token: house.token({ scope: 'secrets:read' }) });
  assert.is(without.status, 403);
  assertError(without.body, 'insufficient_scope');
});

test('leaves one audit entry, with the prefix and how much was shown', async () => {
  for (const [query, secretPath, extra] of [
    [{ prefix: 'app/', delimiter: '/' }, 'app/', { secrets: 2, prefixes: 1 }],
    [{ q: 'nothing-like-this' }, null, { secrets: 0, prefixes: 0 }],
  ] as const) {
    const id = requestId();
    await list(query, { headers: { 'x-request-id': id } });
    const [row, ...more] = await house.audited(id);
    assert.equal(more, []);
    assert.is(row?.action, 'list');
    assert.is(row?.success, true);
    assert.is(row?.secret_path, secretPath);
    assert.equal(row?.extra_data, extra);
    assert.is(row?.decision?.permission, 'list');
  }
});

test('finds by type, owner and tag', async () => {
  await shelve('kinds/a', { type: 'certificate', owner: 'team-a', tags: ['prod', 'x,y'] });
  await shelve('kinds/b', { type: 'kv', owner: 'team-b', tags: ['Prod'] });
  await shelve('kinds/sub/c', { type: 'certificate', owner: 'team-a' });
  const prefix = 'kinds/';
  assert.equal(await found({ prefix, type: 'certificate' }), ['kinds/a', 'kinds/sub/c']);
  assert.equal(await found({ prefix, owner: 'team-b' }), ['kinds/b']);
  assert.equal(await found({ prefix, owner: 'team' }), []);
  assert.equal(await found({ prefix, tag: 'prod' }), ['kinds/a']);
  assert.equal(await found({ prefix, tag: 'x,y' }), ['kinds/a'], 'a comma is part of the tag');
  assert.equal(await found({ prefix, type: 'certificate', owner: 'team-a', tag: 'prod' }), ['kinds/a']);
  const folders = (await list({ prefix, delimiter: '/', type: 'kv' })).body;
  assert.equal(folders.prefixes, [], 'a folder shows when something in it would');
});

test('searches path, description and tags in any case, and takes every character as itself', async () => {
  await shelve('search/100_percent', { description: 'Straßenverzeichnis ÄÖÜ 50% off\nsecond line' });
  await shelve('search/other', {
    description: 'a.b*c \\ [x] (y) ^$ {2} ***=z',
    tags: ['ΣΊΣΥΦΟΣ', 'naïve CAFÉ', '日本語 🔑'],
  });
  await shelve('search/100-plain');
  const prefix = 'search/';
  const first = ['search/100_percent'];
  const second = ['search/other'];
  for (const q of ['100_P', 'straßenv', 'STRAßEN', 'äöü', 'ÄöÜ', '50% O', '% off', 'second']) {
    assert.equal(await found({ prefix, q }), first, q);
  }
  for (const q of ['a.B', 'b*c', '\\ ', '[x]', '(Y)', '^$', '{2}', '***=Z', 'σίσυ', 'Café', 'NAÏVE', '日本', '語 🔑']) {
    assert.equal(await found({ prefix, q }), second, q);
  }
  for (const q of ['100%', '1__-', '.*', 'a.*c', '[a-z]', '\\d', '(?i)x', '***:', 'off second', 'percentStra', 'xx']) {
    assert.equal(await found({ prefix, q }), [], q);
  }
});

test('finds what expires within a time, and what has expired', async () => {
  await shelve('ends/past', { expiresIn: '-1 hour' });
  await shelve('ends/soon', { expiresIn: '1 hour' });
  await shelve('ends/later', { expiresIn: '40 days' });
  await shelve('ends/never');
  const prefix = 'ends/';
  assert.equal(await found({ prefix }), ['ends/later', 'ends/never', 'ends/past', 'ends/soon']);
  assert.equal(await found({ prefix, expiring_within: '0s' }), ['ends/past']);
  assert.equal(await found({ prefix, expiring_within: '1d12h' }), ['ends/past', 'ends/soon']);
  assert.equal(await found({ prefix, expiring_within: '36500d' }), ['ends/later', 'ends/past', 'ends/soon']);
});

test('shows deleted secrets apart, as long as they can be recovered', async () => {
  await shelve('gone/here');
  await shelve('gone/yesterday', { deletedAgo: '1 day' });
  await shelve('gone/long-ago', { deletedAgo: '31 days' });
  await shelve('gone/folder/x', { deletedAgo: '1 day' });
  const prefix = 'gone/';
  assert.equal(await found({ prefix }), ['gone/here']);
  assert.equal(await found({ prefix, deleted: 'false' }), ['gone/here']);
  assert.equal((await list({ prefix, delimiter: '/' })).body.prefixes, []);
  const { body } = await list({ prefix, delimiter: '/', deleted: 'true' });
  assert.equal(body.prefixes, ['gone/folder/']);
  const [{ path, deleted_at, recoverable_until }] = body.secrets;
  assert.is(path, 'gone/yesterday');
  assert.is(Date.parse(recoverable_until) - Date.parse(deleted_at), 30 * 86_400_000);
});

test('gives full pages to the last, which says that it is', async () => {
  const paths = Array.from({ length: 12 }, (_, n) => `many/${String.fromCharCode(97 + n)}`);
  for (const path of paths) await shelve(path);
  for (const limit of [1, 3, 4, 5, 6, 11, 12, 13]) {
    const all = await pages({ prefix: 'many/', limit: String(limit) });
    assert.equal(all.flatMap(pathsOf), paths);
    assert.is(all.length, Math.ceil(12 / limit), `pages of ${limit}`);
  }
  const mixed = await pages({ delimiter: '/', limit: '2', prefix: 'a' });
  assert.equal(
    mixed.map(({ body }) => [pathsOf({ body } as Answer), body.prefixes]),
    [
      [['app'], ['app/']],
      [[], ['app2/']],
    ],
  );
});

test('shows each secret that stays once, whatever comes and goes between pages', async () => {
  const stays = Array.from({ length: 20 }, (_, n) => `moving/${String(n).padStart(2, '0')}`);
  for (const path of stays) await shelve(path);
  const behind: string[] = [];
  const ahead: string[] = [];
  const all = await pages({ prefix: 'moving/', limit: '3' }, async (page) => {
    const last = pathsOf(page).at(-1) ?? '';
    if (ahead.length === 6) return;
    // Before the place where the next page begins, right there, and at the end.
    behind.push(`moving/-${ahead.length}`);
    ahead.push(`${last}-added`, `moving/zz-${ahead.length}`);
    for (const path of [behind.at(-1), ...ahead.slice(-2)]) await shelve(path!);
    // The very one that the cursor stands behind.
    if (!stays.includes(last)) await house.sql('DELETE FROM secrets WHERE path = $1', [last]);
  });
  assert.equal(all.flatMap(pathsOf), [...stays, ...ahead].sort());
  assert.is(behind.length, 3);
  const [place] = stays;
  const { cursor } = (await list({ prefix: 'moving/0', limit: '1' })).body;
  await house.sql('DELETE FROM secrets WHERE path = $1', [place]);
  assert.is(
    (await found({ prefix: 'moving/0', limit: '1', cursor }))[0],
    ahead[0] === `${place}-added` ? ahead[0] : stays[1],
  );
});

test('takes a cursor back only for the same query, person and tenant, whole', async () => {
  const query = { prefix: 'many/', limit: '2' };
  const { cursor } = (await list(query)).body;
  assert.is((await list({ ...query, cursor })).status, 200);
  assert.equal(await found({ ...query, limit: '1', cursor }), ['many/c'], 'the size of a page may change');
  const other = house.token({ sub: 'usr_bob' });
  const refused: readonly (readonly [Record<string, string>, object])[] = [
    [{ ...query, prefix: 'app', cursor }, {}],
    [{ ...query, delimiter: '/', cursor }, {}],
    [{ ...query, q: 'many', cursor }, {}],
    [{ ...query, deleted: 'false', cursor }, {}],
    [{ ...query, cursor }, { token: other }],
    [{ ...query, cursor: `${cursor}A` }, {}],
    [{ ...query, cursor: cursor.slice(1) }, {}],
    [{ ...query, cursor: `A${cursor.slice(1)}` }, {}],
    [{ ...query, cursor: '' }, {}],
    [{ ...query, cursor: 'x.y' }, {}],
  ];
  for (const [asked, as] of refused) {
    const answer = await list(asked, as);
    assert.is(answer.status, 400, JSON.stringify(asked));
    assertError(answer.body, 'invalid_cursor');
  }
  const logs = (await house.ask('GET', '/v1/audit/logs?limit=1', { token: house.adminToken() })).body.cursor;
  assert.is((await list({ ...query, cursor: logs })).body.error.code, 'invalid_cursor');
});

test('refuses what it cannot mean, and says why', async () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ...['0', '-1', '1e9', 'NaN', '1001', '01', '1.5', '', '%2B1'].map(
      (limit) => [`limit=${limit}`, 422, 'validation_error'] as const,
    ),
    ...[
      '/',
      '/app',
      'app//',
      'App',
      'app.',
      'a%2F%2Fb',
      '..',
      '%00',
      'app*',
      'é',
      'a/'.repeat(10),
      'a'.repeat(513),
    ].map((prefix) => [`prefix=${prefix}`, 400, 'invalid_path'] as const),
    ...['', '.', '//', '%2F%2F'].map((delimiter) => [`delimiter=${delimiter}`, 422, 'validation_error'] as const),
    ...['a', '', 'x'.repeat(129), 'ab%00', 'a%0Ab', '%ED%A0%80'].map(
      (q) =>
        [`q=${q}`, q === '%ED%A0%80' ? 400 : 422, q === '%ED%A0%80' ? 'invalid_request' : 'validation_error'] as const,
    ),
    ...['30', '1y', '-1d', '', '1e9d', '36501d'].map(
      (time) => [`expiring_within=${time}`, 400, 'invalid_duration'] as const,
    ),
    ...['KV', 'secret', ''].map((type) => [`type=${type}`, 400, 'invalid_secret_type'] as const),
    ...['yes', '1', ''].map((deleted) => [`deleted=${deleted}`, 422, 'validation_error'] as const),
    ...['', 'x'.repeat(129), '%00'].map((tag) => [`tag=${tag}`, 422, 'validation_error'] as const),
    ['owner=', 422, 'validation_error'],
    ['consistency=eventual', 422, 'validation_error'],
    ['tag=a&tag=b', 400, 'invalid_request'],
    ['prefix=a&prefix=b', 400, 'invalid_request'],
  ];
  for (const [query, status, code] of cases) {
    const answer = await house.ask('GET', `/v1/secrets?${query}`);
    assert.is(answer.status, status, `${query} ${answer.text}`);
    assertError(answer.body, code);
  }
  const slash = await house.ask('GET', '/v1/secrets/');
  assert.is(slash.status, 400);
  assertError(slash.body, 'invalid_path');
  assert.is((await house.ask('DELETE', '/v1/secrets')).status, 405);
});

test('refuses no prefix that a path may begin with', async () => {
  for (const prefix of ['', '-', '_', 'a', 'a/', `${'a/'.repeat(9)}a`, 'a/'.repeat(9), 'a'.repeat(512)]) {
    assert.is((await list({ prefix })).status, 200, prefix);
  }
});

test('follows policies that another process has changed', async () => {
  await shelve('written/later');
  const token = house.token({ sub: 'usr_carol' });
  const policy = await house.allow([{ path_pattern: 'written/**', permissions: ['list'] }], 'user:usr_carol');
  assert.equal(pathsOf(await list({}, { token })), ['written/db', 'written/later']);
  const raise = () =>
    house.sql('UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1', [house.tenantId]);
  await raise();
  assert.equal(pathsOf(await list({}, { token })), ['written/db', 'written/later'], 'one that does not concern her');
  const [{ cursor }] = (await Promise.all([list({ limit: '1' }, { token })])).map(({ body }) => body);
  await house.sql('DELETE FROM policy_bindings WHERE policy_id = $1', [policy]);
  await raise();
  const after = await list({}, { token });
  assert.is(after.status, 200);
  assert.equal(after.body.secrets, []);
  assert.equal((await list({ limit: '1', cursor }, { token })).body.secrets, [], 'a cursor gives no permission');
});

test.run();
