/** What retention has ended for is destroyed in the background, once, whoever does it. */
import * as assert from 'uvu/assert';
import { createAuditService } from '../../src/audit/service.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ulid } from '../../src/lib/ids.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { createSweep } from '../../src/secrets/sweep/sweep.ts';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';
import { ALL, callsOf } from './calls.ts';

const test = suite('retention');
const clock = systemClock();
const DAY = 86_400_000;
let house: House;
let calls: ReturnType<typeof callsOf>;
let databases: readonly Database[];

test.before(async () => {
  house = await startHouse();
  calls = callsOf(house);
  await house.allow([{ path_pattern: '**', permissions: ALL }]);
  databases = await Promise.all(
    [1, 2, 3].map(() => openDatabase({ url: house.databaseUrl, poolMax: 4, statementTimeoutMs: 10_000 })),
  );
});
test.after(async () => {
  await Promise.all(databases.map((db) => db.close()));
  await house.stop();
});

/** The sweep of a process of its own. */
function sweepOf(db: Database, retentionMs = 30 * DAY) {
  const audit = createAuditService({ db, clock, instanceId: `sweep-${ulid()}`, writeLanes: 2 });
  return createSweep({ db, audit, clock, retentionMs });
}

const age = (days: number, paths: string) =>
  house.sql(
    `WITH named AS (SELECT tenant_id, id FROM secrets WHERE path LIKE $2),
       aged AS (UPDATE secrets s SET deleted_at = deleted_at - $1 * interval '1 day' FROM named n
                WHERE s.tenant_id = n.tenant_id AND s.id = n.id)
     UPDATE secret_versions v SET unreadable_at = unreadable_at - $1 * interval '1 day' FROM named n
     WHERE v.tenant_id = n.tenant_id AND v.secret_id = n.id`,
    [days, paths],
  );

interface Entry {
  readonly action: string;
  readonly secret_path: string;
  readonly tenant_id: string;
  readonly partner_id: string;
  readonly identity_type: string;
  readonly identity_id: string | null;
  readonly extra_data: { readonly versions_destroyed?: readonly number[] };
}

const entries = (paths: string) =>
  house.sql<Entry>(
    "SELECT * FROM audit_log WHERE secret_path LIKE $1 AND identity_type = 'system' ORDER BY secret_path, action, id",
    [paths],
  );

test('destroys what was pushed out, and removes what was deleted, and not a day sooner', async () => {
  for (const a of [1, 2, 3]) await calls.put('one/pushed', { a }, { max_versions: 1 });
  await calls.put('one/deleted', { a: 1 });
  await calls.remove('one/deleted');
  await age(29, 'one/%');
  await sweepOf(databases[0]!).run();
  assert.equal(await entries('one/%'), []);
  assert.is((await calls.rollback('one/pushed', 1)).body.version, 4, 'until then it can be brought back');
  await age(2, 'one/%');
  await sweepOf(databases[0]!).run();
  assert.equal(await calls.states('one/pushed'), ['4 current', '3 superseded!', '2 destroyed!', '1 destroyed!']);
  assert.is((await calls.get('one/pushed')).body.data.a, 1);
  assert.equal(await house.sql("SELECT 1 FROM secrets WHERE path = 'one/deleted'"), []);
  const [removed, destroyed, ...more] = await entries('one/%');
  assert.equal(more, []);
  assert.is(removed?.action, 'delete');
  assert.is(removed?.secret_path, 'one/deleted');
  assert.equal(removed?.extra_data, { permanent: true, version_count: 1 });
  assert.is(destroyed?.action, 'destroy');
  assert.is(destroyed?.secret_path, 'one/pushed');
  assert.equal(destroyed?.extra_data, { versions_destroyed: [1, 2] });
  for (const entry of [removed, destroyed]) {
    assert.is(entry?.tenant_id, house.tenantId);
    assert.is(entry?.partner_id, house.partnerId);
    assert.is(entry?.identity_id, null);
  }
});

test('several at once: each version once, each with one entry', async () => {
  const paths = Array.from({ length: 25 }, (_, n) => `many/s${n}`);
  for (const path of paths) for (const a of [1, 2]) await calls.put(path, { a }, { max_versions: 1 });
  for (const path of paths.slice(0, 10)) await calls.remove(path);
  await age(31, 'many/%');
  await Promise.all([...databases, ...databases].map((db) => sweepOf(db).run()));
  // Whoever found a row held by another one has left it to them.
  const left = await house.sql(
    `SELECT s.path FROM secrets s JOIN secret_versions v ON v.tenant_id = s.tenant_id AND v.secret_id = s.id
     WHERE s.path LIKE 'many/%' AND v.version = 1 AND v.destroyed_at IS NULL`,
  );
  assert.equal(left, []);
  const found = await entries('many/%');
  assert.equal(
    found.map(({ action, secret_path }) => `${secret_path} ${action}`).sort(),
    paths.map((path, n) => `${path} ${n < 10 ? 'delete' : 'destroy'}`).sort(),
  );
});

test('a secret that somebody is writing is left for the next time, and one brought back stays', async () => {
  for (const path of ['busy/held', 'busy/back']) {
    for (const a of [1, 2]) await calls.put(path, { a }, { max_versions: 1 });
  }
  await calls.remove('busy/back');
  await age(31, 'busy/%');
  await house.sql("UPDATE secrets SET deleted_at = NULL WHERE path = 'busy/back'");
  await house.sql('BEGIN');
  await house.sql("SELECT 1 FROM secrets WHERE path = 'busy/held' FOR UPDATE");
  await sweepOf(databases[0]!).run();
  assert.equal(
    await house.sql("SELECT 1 FROM audit_log WHERE secret_path = 'busy/held' AND identity_type = 'system'"),
    [],
  );
  await house.sql('COMMIT');
  await sweepOf(databases[0]!).run();
  assert.equal(await calls.states('busy/held'), ['2 current', '1 destroyed!']);
  assert.equal(await calls.states('busy/back'), ['2 current', '1 destroyed!']);
});

test('no retention: what is deleted or pushed out is destroyed by the next sweep', async () => {
  for (const a of [1, 2]) await calls.put('zero/a', { a }, { max_versions: 1 });
  await calls.put('zero/b', { a: 1 });
  await calls.remove('zero/b');
  await sweepOf(databases[0]!, 0).run();
  assert.equal(await calls.states('zero/a'), ['2 current', '1 destroyed!']);
  assert.is((await calls.metadata('zero/b')).status, 404);
});

test.run();
