import { Client } from 'pg';
import * as assert from 'uvu/assert';
import type { TenantId } from '../../src/contract/names.ts';
import type { Database } from '../../src/postgres/database.ts';
import { type AccessTimes, createAccessTimes } from '../../src/secrets/access-times.ts';
import { migrated, open } from '../audit/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';

const test = suite('times of the last read');
const [ONE, OTHER] = ['tnt_one', 'tnt_other'] as [TenantId, TenantId];
const NOON = Date.UTC(2026, 10, 23, 12);
const MINUTE = 60_000;

let database: TestDatabase;
let db: Database;
let client: Client;
let now: number;
let times: AccessTimes;

test.before(async () => {
  database = await migrated();
  db = await open(database.url);
  client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(`INSERT INTO partners (partner_id) VALUES ('ptn')`);
  await client.query('INSERT INTO tenants (tenant_id, partner_id) SELECT unnest($1::text[]), $2', [
    [ONE, OTHER],
    'ptn',
  ]);
});
test.beforeEach(async () => {
  await client.query('DELETE FROM secrets');
  await client.query(
    `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version)
     SELECT t, 'sec_' || n, 'app/' || n, 'kv', 1 FROM unnest($1::text[]) t, generate_series(1, 1200) n`,
    [[ONE, OTHER]],
  );
  now = NOON;
  times = createAccessTimes({ db, clock: { nowMs: () => now } });
});
test.after(async () => {
  await client.end();
  await db.close();
  await database.drop();
});

async function shown(tenantId: TenantId, secretId: string): Promise<string | null> {
  const { rows } = await client.query('SELECT last_accessed_at FROM secrets WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    secretId,
  ]);
  return (rows[0].last_accessed_at as Date | null)?.toISOString() ?? null;
}

/** Physical changes of rows: how many versions of rows have been made. */
async function changed(): Promise<number> {
  const { rows } = await client.query(
    'SELECT count(DISTINCT xmin::text)::int AS n FROM secrets WHERE last_accessed_at IS NOT NULL',
  );
  return rows[0].n as number;
}

test('are accurate to the minute, and of the tenant whose secret was read', async () => {
  now = NOON + 59_999;
  times.note(ONE, 'sec_1');
  now = NOON + 2 * MINUTE + 30_000;
  times.note(ONE, 'sec_2');
  times.note(OTHER, 'sec_3');
  assert.is(await shown(ONE, 'sec_1'), null, 'nothing is written by a read');
  await times.flush();
  assert.is(await shown(ONE, 'sec_1'), '2026-11-23T12:00:00.000Z');
  assert.is(await shown(ONE, 'sec_2'), '2026-11-23T12:02:00.000Z');
  assert.is(await shown(OTHER, 'sec_3'), '2026-11-23T12:02:00.000Z');
  for (const [tenant, id] of [
    [OTHER, 'sec_1'],
    [OTHER, 'sec_2'],
    [ONE, 'sec_3'],
    [ONE, 'sec_4'],
  ] as const) {
    assert.is(await shown(tenant, id), null, `${tenant} ${id}`);
  }
});

test('change a row at most once a minute, however often it is read and stored', async () => {
  for (let n = 0; n < 5; n++) {
    for (let m = 0; m < 100; m++) times.note(ONE, 'sec_1');
    await times.flush();
  }
  const before = await client.query(`SELECT xmin::text AS x FROM secrets WHERE tenant_id = $1 AND id = 'sec_1'`, [ONE]);
  times.note(ONE, 'sec_1');
  await times.flush();
  const after = await client.query(`SELECT xmin::text AS x FROM secrets WHERE tenant_id = $1 AND id = 'sec_1'`, [ONE]);
  assert.equal(after.rows, before.rows);
  assert.is(await changed(), 1);
});

test('never go back, whichever process stores last', async () => {
  const slow = createAccessTimes({ db, clock: { nowMs: () => NOON } });
  slow.note(ONE, 'sec_1');
  now = NOON + 5 * MINUTE;
  times.note(ONE, 'sec_1');
  await times.flush();
  await slow.flush();
  assert.is(await shown(ONE, 'sec_1'), '2026-11-23T12:05:00.000Z');
});

test('pass over a secret that is being written, and store it at the next turn', async () => {
  const writer = new Client({ connectionString: database.url });
  await writer.connect();
  await writer.query('BEGIN');
  await writer.query(`UPDATE secrets SET current_version = 2 WHERE tenant_id = $1 AND id = 'sec_1'`, [ONE]);
  times.note(ONE, 'sec_1');
  times.note(ONE, 'sec_2');
  await times.flush();
  assert.is(await shown(ONE, 'sec_2'), '2026-11-23T12:00:00.000Z', 'the other one did not wait');
  await writer.query('COMMIT');
  await writer.end();
  now = NOON + 30_000;
  await times.flush();
  assert.is(await shown(ONE, 'sec_1'), '2026-11-23T12:00:00.000Z');
  const { rows } = await client.query(`SELECT current_version FROM secrets WHERE tenant_id = $1 AND id = 'sec_1'`, [
    ONE,
  ]);
  assert.is(rows[0].current_version, 2);
});

test('of more secrets than one statement takes, and of some that are gone', async () => {
  for (let n = 1; n <= 1_200; n++) times.note(ONE, `sec_${n}`);
  times.note(ONE, 'sec_gone');
  await times.flush();
  const { rows } = await client.query('SELECT count(*)::int AS n FROM secrets WHERE last_accessed_at IS NOT NULL');
  assert.is(rows[0].n, 1_200);
});

test('wait for a database that is away', async () => {
  const broken = { ...db, query: () => Promise.reject(new Error('away')) } as Database;
  let database = broken;
  const door = { ...db, query: (...args: Parameters<Database['query']>) => database.query(...args) } as Database;
  const waiting = createAccessTimes({ db: door, clock: { nowMs: () => now } });
  waiting.note(ONE, 'sec_1');
  const error = await waiting.flush().then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.instance(error, Error);
  now = NOON + MINUTE;
  waiting.note(ONE, 'sec_2');
  database = db;
  await waiting.flush();
  assert.is(await shown(ONE, 'sec_1'), '2026-11-23T12:00:00.000Z');
  assert.is(await shown(ONE, 'sec_2'), '2026-11-23T12:01:00.000Z');
});

test('take a bounded part of the memory: beyond it new ones are not noted, and half of it is stored at once', async () => {
  const small = createAccessTimes({ db, clock: { nowMs: () => now }, maxNotes: 10 });
  for (let n = 1; n <= 4; n++) small.note(ONE, `sec_${n}`);
  const until = async (count: number) => {
    for (let round = 0; ; round++) {
      const { rows } = await client.query('SELECT count(*)::int AS n FROM secrets WHERE last_accessed_at IS NOT NULL');
      if (rows[0].n === count) return;
      assert.ok(round < 200, `${rows[0].n} instead of ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await until(0);
  small.note(ONE, 'sec_5');
  await until(5);
  let asked = 0;
  const away = { ...db, query: () => Promise.reject(new Error('away')) } as Database;
  const counting = {
    ...db,
    query: (_: unknown, values: readonly unknown[]) => {
      asked += (values[1] as readonly string[]).length;
      return Promise.resolve([]);
    },
  } as unknown as Database;
  let behind = away;
  const full = createAccessTimes({
    db: { ...db, query: (...args: Parameters<Database['query']>) => behind.query(...args) } as Database,
    clock: { nowMs: () => now },
    maxNotes: 10,
  });
  for (let n = 1; n <= 100; n++) full.note(ONE, `sec_${n}`);
  await full.flush().catch(() => {});
  for (let n = 1; n <= 100; n++) full.note(ONE, `sec_${n}`);
  await full.flush().catch(() => {});
  behind = counting;
  await full.flush();
  assert.is(asked, 10);
});

test.run();
