/** A database filled as the release before the newest migration left it goes on, with everything that was in it. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { PartnerId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { createKeyring } from '../../src/keys/keyring.ts';
import { establishRootKey } from '../../src/keys/root-key.ts';
import { openLocal } from '../../src/kms/local.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { VERSION } from '../../src/lib/version.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { readMigrations } from '../../src/postgres/migrations.ts';
import { planOf } from '../../src/postgres/plan.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { rehearse } from '../../src/postgres/rehearsal.ts';
import type { TableLock } from '../../src/postgres/table-locks.ts';
import { killAll, serving, sql } from '../serve/serving.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { type Directory, migrationDirectory, withSession } from './fixtures.ts';

const test = suite('upgrading from 00001_foundation', { timeoutMs: 60_000 });
const PATH = 'app/db' as SecretPath;
let environment: TestEnvironment;
let foundation: Directory;

test.beforeEach(async () => {
  environment = await testEnvironment();
  foundation = await migrationDirectory({});
  await cp(join(migrationsDirectory(), '00001_foundation'), join(foundation.path, '00001_foundation'), {
    recursive: true,
  });
  await withSession(environment.databaseUrl, (session) => migrate(session, foundation.path, VERSION));
});
test.afterEach(async () => {
  await killAll();
  await foundation.remove();
  await environment.remove();
});

const query = (text: string, values: readonly unknown[] = []) => sql(environment.databaseUrl, text, values);

/** One secret with three versions, sealed for real, and a policy that lets alice read it. */
async function fill(): Promise<void> {
  const tenant = { tenantId: environment.tenantId as TenantId, partnerId: environment.partnerId as PartnerId };
  const { tenantId, partnerId } = tenant;
  await query('INSERT INTO partners (partner_id) VALUES ($1)', [partnerId]);
  await query('INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2)', [tenantId, partnerId]);
  await query(
    `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version, description, tags, custom)
     VALUES ($1, 'sec_1', $2, 'kv', 3, 'main', '{prod,db}', '{"team": "a"}')`,
    [tenantId, PATH],
  );
  const db = await openDatabase({ url: environment.databaseUrl, poolMax: 2, statementTimeoutMs: 10_000 });
  const kms = openLocal(environment.keyFile);
  const root = await establishRootKey(db, kms, { actor: 'test' });
  const keyring = createKeyring({ db, root, actor: 'test', alarm: (error) => assert.unreachable(String(error)) });
  const writer = await keyring.writer(tenant);
  for (const version of [1, 2, 3]) {
    const place = { tenantId, objectId: 'sec_1', version, path: PATH, purpose: 'secret' as const };
    const sealed = writer.seal(place, Buffer.from(JSON.stringify({ password: `v${version}` })));
    await query(
      `INSERT INTO secret_versions (tenant_id, secret_id, version, ciphertext, wrapped_key, key_id, created_by)
       VALUES ($1, 'sec_1', $2, $3, $4, $5, 'user:usr_alice')`,
      [tenantId, version, sealed.ciphertext, sealed.wrappedKey, sealed.keyId],
    );
  }
  writer.release();
  keyring.close();
  await kms.close();
  await db.close();
  const rules = [{ path_pattern: 'app/**', permissions: ['read', 'write', 'list'], effect: 'allow', kind: 'secret' }];
  await query(`INSERT INTO policies (tenant_id, id, name, scope, rules) VALUES ($1, 'pol_1', 'app', 'tenant', $2)`, [
    tenantId,
    JSON.stringify(rules),
  ]);
  await query(
    `INSERT INTO policy_versions (tenant_id, policy_id, version, name, description, is_active, rules, changed_by)
     SELECT tenant_id, id, version, name, description, is_active, rules, 'user:usr_admin' FROM policies`,
  );
  await query(
    `INSERT INTO policy_bindings (tenant_id, id, policy_id, kind, subject_issuer, subject_tenant, subject_id,
       display_name, created_by)
     VALUES ($1, 'bnd_1', 'pol_1', 'user', $2, $1, 'usr_alice', 'alice@example.com', 'user:usr_admin')`,
    [tenantId, environment.issuer.issuer],
  );
}

/** Every row of every table, columns by name, in an order that stays. */
async function everything(): Promise<Map<string, readonly Record<string, unknown>[]>> {
  const tables = await query(`SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname NOT LIKE 'migration%' ORDER BY 1`);
  const found = new Map<string, readonly Record<string, unknown>[]>();
  for (const { name } of tables) {
    const rows = await query(`SELECT to_jsonb(t) AS row FROM ${name} t ORDER BY t::text COLLATE "C"`);
    found.set(
      String(name),
      rows.map(({ row }) => row as Record<string, unknown>),
    );
  }
  return found;
}

test('keeps every row as it was, and gives new columns what their migration says', async () => {
  await fill();
  const before = await everything();
  assert.ok(before.get('secret_versions')?.length === 3 && before.get('key_history')?.length);
  await withSession(environment.databaseUrl, (session) => migrate(session, migrationsDirectory(), VERSION));
  const after = await everything();
  for (const [table, rows] of before) {
    const now = after.get(table) ?? [];
    assert.is(now.length, rows.length, table);
    for (const [index, row] of rows.entries()) {
      const kept = Object.fromEntries(Object.entries(now[index] ?? {}).filter(([column]) => column in row));
      assert.equal(kept, row, table);
    }
  }
  const [secret] = after.get('secrets') ?? [];
  assert.equal([secret?.deleted_at, secret?.expires_at, secret?.last_accessed_at], [null, null, null]);
});

test('serves what was written before, by the policy of before, and writes on', async () => {
  await fill();
  const server = await serving(environment);
  for (const version of [1, 2, 3]) {
    const old = await server.ask('GET', `/v1/secrets/app/db?version=${version}`);
    assert.equal([old.status, old.body.data], [200, { password: `v${version}` }], old.text);
  }
  const next = await server.ask('PUT', '/v1/secrets/app/db', { body: { data: { password: 'v4' } } });
  assert.equal([next.status, next.body.version], [200, 4], next.text);
  assert.is((await server.ask('GET', '/v1/secrets/other')).status, 403);
  assert.is((await server.stop()).code, 0);
});

test('takes the locks that the plan has read out of its text, and no stronger ones', async () => {
  await fill();
  const pending = (await readMigrations(migrationsDirectory())).slice(1);
  const planned = await planOf(migrationsDirectory(), pending);
  const progress = { waiting: () => {}, applying: () => {} };
  const rehearsed = await withSession(environment.databaseUrl, (session) =>
    rehearse(session, migrationsDirectory(), VERSION, progress),
  );
  assert.equal(
    rehearsed.map(({ folder }) => folder),
    pending.map(({ folder }) => folder),
  );
  assert.ok(planned[0]?.locks.some(({ table, mode }) => table === 'secrets' && mode === 'ACCESS EXCLUSIVE'));
  for (const [index, { folder, untold }] of planned.entries()) {
    assert.equal(untold, [], `${folder}: nothing is left untold`);
    // A transaction keeps what the migrations before took.
    const told = planned.slice(0, index + 1).flatMap(({ locks }) => locks);
    const held = rehearsed[index]?.locks ?? [];
    const spelled = (locks: readonly TableLock[]) =>
      new Set(
        locks.filter(({ mode }) => !/^ACCESS SHARE$|^ROW /.test(mode)).map(({ table, mode }) => `${table}: ${mode}`),
      );
    assert.equal([...spelled(held)].sort(), [...spelled(told)].sort(), folder);
  }
  const [left] = await query(`SELECT to_regclass('idempotency') AS found`);
  assert.is(left?.found, null, 'and all of it was rolled back');
});

test.run();
