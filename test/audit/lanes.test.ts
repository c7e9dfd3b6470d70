import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { CHAIN_START, type ChainedEntry } from '../../src/audit/chain.ts';
import { finishEntry } from '../../src/audit/entry.ts';
import { Lane } from '../../src/audit/lane.ts';
import { insertEntries } from '../../src/audit/repository.ts';
import { ulid } from '../../src/lib/ids.ts';
import { CommitUnknown, type Database, DatabaseUnavailable } from '../../src/postgres/database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { clock, draft, migrated, open } from './fixtures.ts';
import { verifyChains } from './verifier.ts';

const test = suite('an audit lane');
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

/** What may become of one commit. */
const FATES = ['commits', 'fails', 'answer_lost', 'never_arrives', 'arrives_late'] as const;
type Fate = (typeof FATES)[number];

/** A store that commits into `stored`, and fails as it is told. What is late arrives when `deliver` is called. */
function fakeStore() {
  const stored: ChainedEntry[] = [];
  const late: (() => void)[] = [];
  return {
    stored,
    deliver: () => {
      for (const arrive of late.splice(0)) arrive();
    },
    lookUp: async (row: ChainedEntry) => stored.some(({ id }) => id === row.id),
    store: (fate: Fate) => async (rows: readonly ChainedEntry[]) => {
      await Promise.resolve();
      if (fate === 'fails') throw new DatabaseUnavailable('refused');
      if (fate === 'commits' || fate === 'answer_lost') stored.push(...rows);
      if (fate === 'arrives_late') late.push(() => void stored.push(...rows));
      if (fate !== 'commits') throw new CommitUnknown('lost');
    },
  };
}

const entry = (id: string) => finishEntry(draft({ id: `log_${id}` }), { success: true }, 'test', clock.nowMicros());

/** No gap, no number twice, each linked to the one before. */
function assertDense(rows: readonly ChainedEntry[]): void {
  for (const [chain, members] of Map.groupBy(rows, (row) => row.chain_id)) {
    const ordered = members.toSorted((a, b) => a.seq - b.seq);
    let before: Buffer = CHAIN_START;
    for (const [index, row] of ordered.entries()) {
      assert.is(row.seq, index + 1, chain);
      assert.equal(row.prev_hash, before);
      before = row.hash;
    }
  }
}

test('keeps its chain whole whatever becomes of its commits, and says the truth about each', async () => {
  const appends = fc.array(fc.record({ fate: fc.constantFrom(...FATES), size: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 30,
  });
  const written: ChainedEntry[] = [];
  await fc.assert(
    fc.asyncProperty(appends, fc.boolean(), async (plan, deliverAtOnce) => {
      const fake = fakeStore();
      const lane = new Lane(ulid(), fake.lookUp);
      const outcomes = await Promise.all(
        plan.map(async ({ fate, size }) => {
          const ids = Array.from({ length: size }, () => ulid());
          const kept = await lane
            .append(() => ids.map(entry), fake.store(fate))
            .then(
              () => true,
              (error) => {
                assert.instance(error, DatabaseUnavailable);
                return false;
              },
            );
          if (deliverAtOnce) fake.deliver();
          return { fate, kept, ids };
        }),
      );
      const before = new Set(fake.stored.map(({ id }) => id));
      fake.deliver();
      const times = Map.groupBy(fake.stored, ({ id }) => id);
      for (const { fate, kept, ids } of outcomes) {
        assert.is(kept, fate === 'commits' || fate === 'answer_lost', fate);
        for (const id of ids) {
          if (kept) assert.ok(before.has(`log_${id}`), 'acknowledged means stored');
          assert.is(times.get(`log_${id}`)?.length ?? 0, kept || fate === 'arrives_late' ? 1 : 0, fate);
        }
      }
      assertDense(fake.stored);
      written.push(...fake.stored);
    }),
    { numRuns: 150 },
  );
  // The same rows, read back from a real database, prove themselves to a verifier that shares no code with this one.
  for (const rows of Map.groupBy(written.slice(0, 1_500), (row) => row.chain_id).values()) {
    await insertEntries(
      db,
      rows.toSorted((a, b) => a.seq - b.seq),
    );
  }
  const proof = await verifyChains(database.url);
  // The slice may cut a chain at its end, never in its middle.
  assert.equal(proof.problems, []);
  assert.ok(proof.ids.length > 500, `${proof.ids.length} entries`);
});

test('gives back the numbers of a commit that failed', async () => {
  const fake = fakeStore();
  const lane = new Lane(ulid(), fake.lookUp);
  await lane.append(() => [entry(ulid())], fake.store('commits'));
  await lane.append(() => [entry(ulid()), entry(ulid())], fake.store('fails')).catch(() => {});
  await lane.append(() => [entry(ulid())], fake.store('commits'));
  assert.equal(
    fake.stored.map(({ seq }) => seq),
    [1, 2],
  );
  assert.is(new Set(fake.stored.map((row) => row.chain_id)).size, 1);
});

test('stands still while an outcome is unknown, also when it cannot be looked up', async () => {
  let reachable = false;
  const fake = fakeStore();
  const lane = new Lane(ulid(), async (row) => {
    if (!reachable) throw new Error('whatever');
    return fake.lookUp(row);
  });
  const doubtful = lane.append(() => [entry(ulid())], fake.store('answer_lost'));
  const next = lane.append(() => [entry(ulid())], fake.store('commits'));
  await sleep(100);
  assert.is(fake.stored.length, 1);
  assert.is(lane.waiting, 2);
  reachable = true;
  await Promise.all([doubtful, next]);
  assert.equal(
    fake.stored.map(({ seq }) => seq),
    [1, 2],
  );
});

test('asks for its entries only at the head of the line, in the order of asking', async () => {
  const fake = fakeStore();
  const lane = new Lane(ulid(), fake.lookUp);
  const asked: number[] = [];
  await Promise.all(
    [1, 2, 3].map((n) =>
      lane.append(() => {
        assert.is(fake.stored.length, n - 1);
        asked.push(n);
        return [entry(ulid())];
      }, fake.store('commits')),
    ),
  );
  assert.equal(asked, [1, 2, 3]);
});

test.run();
