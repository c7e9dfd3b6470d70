import * as assert from 'uvu/assert';
import { createAuditService } from '../../src/audit/service.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Database } from '../../src/postgres/database.ts';
import { withClient } from '../migrate/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { clock, draft, migrated, open, read, service } from './fixtures.ts';
import { verifyChains } from './verifier.ts';

const test = suite('partitions of the audit log');
let database: TestDatabase;
let db: Database;

test.before(async () => {
  database = await migrated();
  db = await open(database.url);
});
test.after(async () => {
  await db.close();
  await database.drop();
});

const sql = (text: string) => withClient(database.url, async (client) => (await client.query(text)).rows);
const partitions = async () =>
  (
    await sql(`SELECT relname AS name, pg_get_expr(relpartbound, c.oid) AS bound FROM pg_inherits
    JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'audit_log'::regclass ORDER BY 1`)
  ).map(({ name, bound }) => `${name}: ${bound}`);
const ensure = async (months: number | null) =>
  (await sql(`SELECT audit_ensure_partitions(${months ?? 'NULL'}) AS made`))[0].made as number;

test('are there for this month and the twelve after it, one joining the next, over the end of the year', async () => {
  const made = (await partitions()).filter((line) => !line.endsWith('DEFAULT'));
  assert.is(made.length, 13);
  const now = new Date();
  let month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  for (const line of made) {
    const next = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1));
    const day = (date: Date) => date.toISOString().slice(0, 10);
    assert.match(line, `audit_log_${day(month).replace('-', '').slice(0, 6)}: `);
    assert.match(line, `FROM ('${day(month)} 00:00:00+00') TO ('${day(next)} 00:00:00+00')`);
    month = next;
  }
  assert.ok(
    made.some((line) => /12-01 .*01-01 /.test(line)),
    'there is a December',
  );
});

test('are the same wherever the server believes to be', async () => {
  const before = await partitions();
  await sql(`SET timezone = 'Pacific/Kiritimati'; SELECT audit_ensure_partitions(12)`);
  await sql(`SET timezone = 'Pacific/Pago_Pago'; SELECT audit_ensure_partitions(12)`);
  assert.equal(await partitions(), before);
});

test('are made once, whoever asks and how many at once', async () => {
  assert.is(await ensure(12), 0);
  const made = await Promise.all([ensure(15), ensure(15), ensure(15), ensure(15)]);
  assert.is(
    made.reduce((sum, n) => sum + n),
    3,
  );
  await service(db).ensurePartitions();
});

test('are not made in absurd numbers', async () => {
  for (const months of [0, -1, 121, 2_147_483_647]) {
    const refused = await ensure(months).then(
      () => false,
      () => true,
    );
    assert.ok(refused, `${months}`);
  }
});

test('are made by a role that may do nothing else, which cannot lead the function astray', async () => {
  const role = `app_${database.url.slice(-16)}`;
  await sql(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA public TO ${role};
    GRANT SELECT, INSERT ON audit_log TO ${role}; GRANT EXECUTE ON FUNCTION audit_ensure_partitions TO ${role};
    GRANT TEMPORARY ON DATABASE ${new URL(database.url).pathname.slice(1)} TO ${role}`);
  const url = new URL(database.url);
  url.username = role;
  const before = await partitions();
  await withClient(url.href, async (client) => {
    const refused = await client.query('CREATE TABLE public.mine ()').then(
      () => false,
      () => true,
    );
    assert.ok(refused);
    // Names of its own that stand before everything else in its search path.
    await client.query(`CREATE TEMPORARY TABLE audit_log (x integer);
      CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
      CREATE FUNCTION pg_temp.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$ SELECT NULL::regclass $$;
      SET search_path = pg_temp, pg_catalog, public`);
    assert.is((await client.query('SELECT public.audit_ensure_partitions(16) AS made')).rows[0].made, 1);
  });
  assert.is((await partitions()).length, before.length + 1);
  const [other] = await sql(
    `SELECT has_function_privilege('public', 'audit_ensure_partitions(integer)', 'execute') AS may`,
  );
  assert.is(other.may, false);
  await sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('take the last microsecond of a year and the first of the next apart', async () => {
  const year = new Date().getUTCFullYear();
  const boundary = Date.UTC(year + 1, 0, 1) * 1000;
  const audit = service(db);
  const [last, first] = [draft({ startedMicros: boundary - 1 }), draft({ startedMicros: boundary })];
  await Promise.all([read(audit, last), read(audit, first)]);
  const rows = await sql(`SELECT tableoid::regclass::text AS part, id FROM audit_log ORDER BY "timestamp"`);
  assert.equal(rows, [
    { part: `audit_log_${year}12`, id: last.id },
    { part: `audit_log_${year + 1}01`, id: first.id },
  ]);
});

test('that no one has made refuse no entry: the default one takes it', async () => {
  const future: Clock = { nowMs: () => Date.UTC(2199, 0), nowMicros: () => Date.UTC(2199, 0) * 1000 };
  const audit = createAuditService({ db, clock: future, instanceId: 'time-traveller', writeLanes: 1 });
  const entry = draft({ startedMicros: future.nowMicros() });
  await read(audit, entry);
  await read(audit, draft({ startedMicros: 0 }));
  const rows = await sql('SELECT id FROM audit_log_default');
  assert.is(rows.length, 2);
  assert.equal((await verifyChains(database.url)).problems, []);
  // Another month is made though the default partition is not empty.
  assert.is(await ensure(17), 1);
  assert.is(clock.nowMs() < future.nowMs(), true);
});

test.run();
