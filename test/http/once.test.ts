/** What no route of this release shows: answers that are given only once, and the sweep. */
import { randomUUID } from 'node:crypto';
import Type from 'typebox';
import * as assert from 'uvu/assert';
import type { AuditService } from '../../src/audit/service.ts';
import { ApiError } from '../../src/contract/errors.ts';
import type { Call } from '../../src/contract/route.ts';
import { changeRoute } from '../../src/contract/route.ts';
import { NoQuery } from '../../src/contract/schemas.ts';
import type { Authorised } from '../../src/http/exchange.ts';
import { createOnce, type Once } from '../../src/http/idempotency/once.ts';
import type { Database } from '../../src/postgres/database.ts';
import { draft, MAKE_CHANGE, migrated, open, service, TENANT } from '../audit/fixtures.ts';
import { withClient } from '../migrate/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';

const test = suite('once');
let database: TestDatabase;
let db: Database;
let audit: AuditService;
let once: Once;

const sql = (text: string) => withClient(database.url, async (client) => (await client.query(text)).rows);

test.before(async () => {
  database = await migrated();
  db = await open(database.url);
  audit = service(db);
  once = createOnce({ db, audit, mac: (message) => Buffer.alloc(32, message.length) });
  await sql(`INSERT INTO partners VALUES ('p'); INSERT INTO tenants (tenant_id, partner_id) VALUES ('${TENANT}', 'p')`);
});
test.after(async () => {
  await db.close();
  await database.drop();
});

/** A request as it is after stage 8. */
function asked(): Authorised {
  const subject = { kind: 'user', issuer: 'i', tenantId: TENANT, id: 'alice' };
  return {
    draft: draft({ action: 'write' }),
    principal: { subject },
    tenant: { tenantId: TENANT, partnerId: 'p' },
    method: 'POST',
    request: { url: '/v1/tokens' },
    ifMatch: null,
    ifNoneMatch: null,
    body: null,
    standing: { holds: () => true, confirm: async () => {} },
  } as unknown as Authorised;
}

/** A route that makes a token, which its answer shows; what names the token may be told later. */
function tokens(entry: Authorised['draft']) {
  return changeRoute({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Makes a token',
    tag: 'test',
    category: null,
    scope: null,
    authority: { type: 'self' },
    action: 'write',
    query: NoQuery,
    body: null,
    responses: { 201: { description: 'The token', schema: Type.Object({}) } },
    run: () =>
      audit.commit(entry, async (tx) => {
        await tx.query(MAKE_CHANGE, [entry.id]);
        return { value: { id: 'tok_1', token: 'shown-once' } };
      }),
    reply: (value) => ({ status: 201, body: value }),
    onceOnly: ({ id }) => ({ id }),
  });
}

const call = {} as Call<unknown, unknown>;
const change = (key: string, exchange = asked()) => once.change(exchange, key, tokens(exchange.draft), call);

test('shows an answer that is given only once no second time, and keeps none of it', async () => {
  const key = randomUUID();
  const first = await change(key);
  assert.equal([first.replayed, first.reply.body], [false, { id: 'tok_1', token: 'shown-once' }]);
  const error = await change(key).then(
    () => assert.unreachable(),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, ApiError);
  const { code, details } = error as ApiError;
  assert.equal([code, details], ['idempotency_replayed', { id: 'tok_1' }]);
  assert.not.match(JSON.stringify(await sql('SELECT * FROM idempotency')), 'shown-once');
  assert.is((await sql('SELECT 1 FROM changes')).length, 1);
});

test('notices when the change is committed as another one, which would be done twice', async () => {
  const exchange = asked();
  await once.change(exchange, randomUUID(), tokens(draft({ action: 'write' })), call).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, 'another draft'),
  );
});

test('sweeps what is over, of all tenants and however much, and nothing else', async () => {
  await change('kept');
  await sql(`INSERT INTO partners VALUES ('q'); INSERT INTO tenants (tenant_id, partner_id) VALUES ('other', 'q');
    INSERT INTO idempotency (tenant_id, subject, key, route, body_mac, state, expires_at)
    SELECT CASE n % 2 WHEN 0 THEN 'other' ELSE '${TENANT}' END, sha256(''), 'k' || n, '', sha256(''), 'done', now() - interval '1 second'
    FROM generate_series(1, 4500) n`);
  await Promise.all([once.sweep(), once.sweep()]);
  await once.sweep();
  assert.equal(
    (await sql('SELECT key FROM idempotency WHERE expires_at <= now()')).map(({ key }) => key),
    [],
  );
  assert.ok((await sql(`SELECT 1 FROM idempotency WHERE key = 'kept'`)).length === 1);
});

test.run();
