import * as assert from 'uvu/assert';
import { type AuditService, createAuditService } from '../../src/audit/service.ts';
import type { AuditDraft } from '../../src/contract/audit.ts';
import type { TenantId } from '../../src/contract/names.ts';
import type { Database } from '../../src/postgres/database.ts';
import { withClient } from '../migrate/fixtures.ts';
import { type Answer, startTestServer, type TestServer } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { clock, draft, open } from './fixtures.ts';

const test = suite('GET /v1/audit/logs');
let server: TestServer;
let db: Database;
let audit: AuditService;

test.before(async () => {
  server = await startTestServer({ RATE_LIMIT_ENABLED: 'false' });
  await server.allow([{ kind: 'sys', path_pattern: 'audit', permissions: ['read'] }]);
  db = await open(server.databaseUrl);
  audit = createAuditService({ db, clock, instanceId: 'test-logs', writeLanes: 1 });
});
test.after(async () => {
  await db.close();
  await server.stop();
});

interface Entry extends Record<string, unknown> {
  readonly id: string;
  readonly timestamp: string;
}

const sql = (text: string) => withClient(server.databaseUrl, async (client) => (await client.query(text)).rows);
const logs = (query: Record<string, string> = {}, token?: string): Promise<Answer> =>
  server.ask('GET', `/v1/audit/logs?${new URLSearchParams(query)}`, token === undefined ? {} : { token });

async function found(query: Record<string, string>): Promise<readonly Entry[]> {
  const { status, body, text } = await logs(query);
  assert.is(status, 200, text);
  return body.logs;
}

/** Stores an entry of the test's tenant and waits until readers may see it: other tests' transactions hold them back. */
async function store(over: Partial<AuditDraft>, errorCode?: 'access_denied'): Promise<string> {
  const entry = draft({ tenantId: server.tenantId as TenantId, ...over });
  await audit.record(entry, errorCode === undefined ? { success: true } : { success: false, errorCode });
  return entry.id;
}

async function visible(ids: readonly string[]): Promise<void> {
  const below = `SELECT count(*)::int AS n FROM audit_log
    WHERE id = ANY ('{${ids.join()}}') AND xid < pg_snapshot_xmin(pg_current_snapshot())`;
  while ((await sql(below))[0].n < ids.length) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** All pages, one after the other. */
async function walk(query: Record<string, string>, between: () => Promise<unknown> = async () => {}) {
  const pages: Entry[][] = [];
  for (let cursor: string | null = null; ; ) {
    const { status, body, text } = await logs({ ...query, ...(cursor === null ? {} : { cursor }) });
    assert.is(status, 200, text);
    pages.push(body.logs);
    assert.is(body.has_more, body.cursor !== null);
    if (body.cursor === null) return pages;
    cursor = body.cursor as string;
    await between();
  }
}

test('finds by every filter, alone and together, newest first', async () => {
  const started = clock.nowMicros();
  const at = (second: number) => new Date(started / 1000 + second * 1000).toISOString();
  const entry = (second: number, over: Partial<AuditDraft>) =>
    ({ requestId: 'filters-0', startedMicros: started + second * 1e6, ...over }) as const;
  const ids = [
    await store(entry(0, { action: 'write', secretPath: 'filters/a' })),
    await store(entry(1, { identityId: 'user:bob', secretPath: 'filters/b' }), 'access_denied'),
    await store(entry(2, { identityType: 'service_account', secretPath: 'filters/b/c', sourceIp: '2001:db8::1' })),
    await store(entry(3, { action: 'list', requestId: 'filters-1', secretPath: 'filters_/%' })),
  ];
  await visible(ids);
  const all = { path_prefix: 'filters' };
  const cases: readonly (readonly [Record<string, string>, readonly number[]])[] = [
    [all, [3, 2, 1, 0]],
    [{ path_prefix: 'filters/b' }, [2, 1]],
    [{ path_prefix: 'filters_' }, [3]],
    [{ path_prefix: 'filters%' }, []],
    [{ ...all, action: 'write' }, [0]],
    [{ ...all, action: 'write,list' }, [3, 0]],
    [{ ...all, identity_id: 'user:bob' }, [1]],
    [{ ...all, identity_type: 'service_account' }, [2]],
    [{ ...all, success: 'false' }, [1]],
    [{ ...all, success: 'true', action: 'read' }, [2]],
    [{ ...all, source_ip: '2001:db8::1' }, [2]],
    [{ request_id: 'filters-1' }, [3]],
    [{ ...all, from: at(1) }, [3, 2, 1]],
    [{ ...all, from: at(1), to: at(3) }, [2, 1]],
    [{ ...all, from: at(3), to: at(1) }, []],
    [{ ...all, identity_id: `'; DROP TABLE audit_log; --` }, []],
  ];
  for (const [query, expected] of cases) {
    const rows = await found(query);
    assert.equal(
      rows.map(({ id }) => ids.indexOf(id)),
      expected,
      JSON.stringify(query),
    );
  }
});

test('shows an entry whole, with microseconds, and nothing of the chain', async () => {
  const startedMicros = Date.UTC(2026, 10, 23, 12) * 1000 + 7;
  const id = await store({ startedMicros, requestId: 'whole-entry', extra: { a: [1, { b: null }] } }, 'access_denied');
  await visible([id]);
  const [entry] = await found({ request_id: 'whole-entry' });
  assert.is(entry?.timestamp, '2026-11-23T12:00:00.000007Z');
  assert.equal(entry?.extra_data, { a: [1, { b: null }] });
  assert.is(entry?.error_code, 'access_denied');
  assert.is(entry?.instance_id, 'test-logs');
  for (const hidden of ['salt', 'hash', 'leaf_hash', 'xid', 'micros']) assert.not.ok(hidden in (entry ?? {}), hidden);
});

test('pages through every row exactly once while new ones arrive', async () => {
  const ids: string[] = [];
  const startedMicros = clock.nowMicros();
  // Several of one microsecond, so that the id decides.
  for (let n = 0; n < 40; n++)
    ids.push(await store({ requestId: 'paging-all', startedMicros: startedMicros + (n >> 2) }));
  await visible(ids);
  const pages = await walk({ request_id: 'paging-all', limit: '7' }, () => store({ requestId: 'paging-all' }));
  const seen = pages.flat().map(({ id }) => id);
  assert.equal(seen, ids.toSorted().reverse());
  assert.equal(
    pages.map(({ length }) => length),
    [7, 7, 7, 7, 7, 5],
  );
});

test('shows no row behind a cursor: one that is still being written comes on a later page', async () => {
  const query = { request_id: 'horizon-1', limit: '1' };
  const startedMicros = clock.nowMicros();
  const newest = await store({ requestId: 'horizon-1', startedMicros: startedMicros + 9 });
  await visible([newest]);
  const late = draft({
    tenantId: server.tenantId as TenantId,
    requestId: 'horizon-1',
    startedMicros: startedMicros + 5,
  });
  let finish: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const { promise: inserted, resolve: insertedNow } = Promise.withResolvers<void>();
  const { insertEntries } = await import('../../src/audit/repository.ts');
  const { finishEntry } = await import('../../src/audit/entry.ts');
  const { CHAIN_START, link } = await import('../../src/audit/chain.ts');
  const open = db.transaction(async (tx) => {
    const entry = finishEntry(late, { success: true }, 'test-logs', clock.nowMicros());
    await insertEntries(tx, link([entry], 'horizon', { seq: 0, hash: CHAIN_START }));
    insertedNow();
    await held;
  });
  await inserted;
  // Committed after the open one began: not shown either, or the open one would come out behind it.
  const oldest = await store({ requestId: 'horizon-1', startedMicros: startedMicros + 1 });
  const first = await logs(query);
  assert.equal(
    first.body.logs.map(({ id }: Entry) => id),
    [newest],
  );
  assert.is(first.body.has_more, false);
  finish();
  await open;
  await visible([late.id, oldest]);
  const pages = await walk(query);
  assert.equal(
    pages.flat().map(({ id }) => id),
    [newest, late.id, oldest],
  );
});

test('refuses a limit, a time, an action or a field that is none, and says which', async () => {
  for (const limit of ['0', '-1', '1001', 'NaN', '1e9', '', '1.5', ' 7', '0x10', '99999999999999999999']) {
    const { status, body } = await logs({ limit });
    assert.is(status, 422, limit);
    assert.equal(Object.keys(body.error.details.fields), ['limit']);
  }
  for (const [field, value] of [
    ['from', '2026-02-31T00:00:00Z'],
    ['from', '2026-11-23'],
    ['from', '2026-11-23T12:00:00+01:00'],
    ['from', '0000-01-01T00:00:00Z'],
    ['to', '2026-11-23T24:00:00Z'],
    ['to', '2026-11-23T23:59:60Z'],
    ['to', 'infinity'],
    ['action', 'read,nonsense'],
    ['action', ''],
    ['success', 'yes'],
    ['identity_type', 'robot'],
    ['tenant_id', 'tnt_other'],
    ['request_id', 'short'],
  ] as const) {
    const { status, body, text } = await logs({ [field]: value });
    assert.is(status, 422, `${field}=${value}: ${text}`);
    assert.equal(Object.keys(body.error.details.fields), [field]);
  }
  const { status } = await logs({ identity_id: 'a\0b' });
  assert.ok(status === 400 || status === 422, `${status}`);
  assert.is(
    (await logs({ from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59.999999Z', limit: '1000' })).status,
    200,
  );
});

test('takes a cursor only for the query, the tenant and the person that it was made for', async () => {
  await Promise.all([store({ requestId: 'cursor-1' }), store({ requestId: 'cursor-1' })]).then(visible);
  const query = { request_id: 'cursor-1', limit: '1' };
  const cursor = (await logs(query)).body.cursor as string;
  assert.type(cursor, 'string');
  assert.is((await logs({ ...query, cursor })).status, 200);
  assert.is((await logs({ ...query, limit: '5', cursor })).status, 200, 'the limit may change');
  const flipped = cursor.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  const refused: [Record<string, string>, string?][] = [
    [{ limit: '1', cursor }],
    [{ ...query, success: 'true', cursor }],
    [{ ...query, cursor: flipped }],
    [{ ...query, cursor: `${cursor}A` }],
    [{ ...query, cursor: cursor.slice(0, -1) }],
    [{ ...query, cursor: `A${cursor}` }],
    [{ ...query, cursor: 'garbage' }],
    [{ ...query, cursor: '.' }],
    [{ ...query, cursor: '' }],
    [{ ...query, cursor }, server.adminToken()],
  ];
  for (const [asked, token] of refused) {
    const { status, body } = await logs(asked, token);
    assert.is(status, 400, JSON.stringify(asked));
    assert.is(body.error.code, 'invalid_cursor');
  }
  assert.is((await logs({ ...query, cursor: 'A'.repeat(2_049) })).status, 422);
  const other = await server.ask('GET', `/v1/audit/logs?${new URLSearchParams({ ...query, cursor })}`, {
    token: server.adminToken(),
    headers: { 'x-tenant-id': server.tenantId },
  });
  assert.is(other.status, 400);
});

test('shows the own tenant only', async () => {
  const foreign = await store({ tenantId: 'tnt_foreign' as TenantId, requestId: 'isolation' });
  const own = await store({ requestId: 'isolation' });
  await visible([foreign, own]);
  assert.equal(
    (await found({ request_id: 'isolation' })).map(({ id }) => id),
    [own],
  );
  for (const entry of await found({ limit: '1000' })) assert.is(entry.tenant_id, server.tenantId);
});

test('is itself audited, with what was asked being served only after', async () => {
  const token = server.token({ sub: 'usr_alice' });
  const requestId = 'audited-asking';
  const { status } = await server.ask('GET', '/v1/audit/logs?limit=1', {
    token,
    headers: { 'x-request-id': requestId },
  });
  assert.is(status, 200);
  const rows = await sql(
    `SELECT action, resource, success, tenant_id FROM audit_log WHERE request_id = '${requestId}'`,
  );
  assert.equal(rows, [{ action: 'audit_read', resource: 'audit/logs', success: true, tenant_id: server.tenantId }]);
});

test('needs the role of an auditor or a rule that grants it, and the scope besides', async () => {
  const bob = server.token({ sub: 'usr_bob' });
  const refused = await logs({}, bob);
  assert.equal([refused.status, refused.body.error.code], [403, 'forbidden']);
  const { decision_id } = refused.body.error.details;
  const [entry] = await sql(`SELECT action, success, error_code FROM audit_log WHERE id = '${decision_id}'`);
  assert.equal(entry, { action: 'audit_read', success: false, error_code: 'forbidden' });
  await sql(`INSERT INTO role_grants (tenant_id, issuer, kind, subject_id, role, effect, created_by)
    VALUES ('${server.tenantId}', '${server.issuer.issuer}', 'user', 'usr_carol', 'auditor', 'grant', 'test')`);
  assert.is((await logs({}, server.token({ sub: 'usr_carol' }))).status, 200);
  const unscoped = await logs({}, server.token({ sub: 'usr_carol', scope: 'secrets:read' }));
  assert.equal([unscoped.status, unscoped.body.error.code], [403, 'insufficient_scope']);
});

test.run();
