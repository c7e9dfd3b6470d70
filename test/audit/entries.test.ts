import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { draft, migrated, open, service } from './fixtures.ts';
import { verifyChains } from './verifier.ts';

const test = suite('an audit entry');
const READ = statement('test.entry', 'SELECT * FROM audit_log WHERE id = $1');
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

// What a stranger can send: any UTF-16, well-formed or not.
const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) });
const data = fc.dictionary(
  text,
  fc.jsonValue().map((value) => value as unknown),
);

test('is stored and proves itself whatever texts and numbers it holds', async () => {
  const audit = service(db);
  let stored = 0;
  await fc.assert(
    fc.asyncProperty(text, text, data, fc.boolean(), async (name, agent, extra, success) => {
      await audit.record(
        draft({ identityId: name, userAgent: agent, onBehalfOf: name, resource: agent, secretPath: name, extra }),
        success
          ? { success, facts: { extra: { name, numbers: [1e21, 5e-324, -0, 0.1] } } }
          : { success, errorCode: 'access_denied' },
      );
      stored++;
    }),
    { numRuns: 150, examples: [['\0', '\ud800', { '\0': '\0', __proto__: 1 }, true]] },
  );
  const proof = await verifyChains(database.url);
  assert.equal(proof.problems, []);
  assert.is(proof.ids.length, stored);
});

test('holds what a date or a secret shows of itself, and still proves itself', async () => {
  const entry = draft({ extra: { at: new Date(0), key: new Secret('hunter2'), none: undefined, nan: Number.NaN } });
  await service(db).record(entry, { success: true });
  const [row] = await db.query<{ extra_data: object }>(READ, [entry.id]);
  assert.equal(row?.extra_data, { at: '1970-01-01T00:00:00.000Z', key: '[secret]', nan: null });
  assert.equal((await verifyChains(database.url)).problems, []);
});

test('that was changed, removed or put in is found', async () => {
  const fresh = await migrated();
  const own = await open(fresh.url);
  const audit = service(own);
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) {
    const entry = draft();
    await audit.record(entry, { success: true });
    ids.push(entry.id);
  }
  assert.equal((await verifyChains(fresh.url)).problems, []);
  const tamperings = [
    `UPDATE audit_log SET success = false WHERE id = '${ids[2]}'`,
    `UPDATE audit_log SET extra_data = '{"x":1}' WHERE id = '${ids[0]}'`,
    `UPDATE audit_log SET "timestamp" = "timestamp" + interval '1 microsecond' WHERE id = '${ids[4]}'`,
    `UPDATE audit_log SET identity_id = 'user:usr_bob' WHERE id = '${ids[1]}'`,
    `DELETE FROM audit_log WHERE id = '${ids[2]}'`,
    `UPDATE audit_log SET hash = decode(repeat('00', 32), 'hex') WHERE id = '${ids[3]}'`,
    `UPDATE audit_log SET seq = 7 WHERE id = '${ids[4]}'`,
    `UPDATE audit_log SET chain_id = 'other' WHERE id = '${ids[4]}'`,
  ];
  for (const [index, sql] of tamperings.entries()) {
    await assertFound(fresh.url, sql, index);
  }
  await own.close();
  await fresh.drop();
});

/** Tampers on a copy of the table inside the database, so that each tampering is alone. */
async function assertFound(url: string, sql: string, index: number): Promise<void> {
  const { withClient } = await import('../migrate/fixtures.ts');
  const schema = `copy_${index}`;
  await withClient(url, (client) =>
    client.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.audit_log AS SELECT * FROM audit_log;
      SET search_path = ${schema}; ${sql}`),
  );
  const { problems } = await verifyChains(`${url}?options=-csearch_path%3D${schema}`);
  assert.ok(problems.length > 0, sql);
}

test.run();
