import * as assert from 'uvu/assert';
import {
  ConstraintViolation,
  type Database,
  type SqlValue,
  statement,
  UnstorableText,
} from '../../src/postgres/database.ts';
import { openEmbedded } from '../../src/postgres/embedded.ts';
import { createDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { errorOf, open } from './fixtures.ts';

// What a repository may rely on is the same over PostgreSQL and over the embedded database.
const OPENERS: Readonly<Record<string, () => Promise<{ db: Database; remove(): Promise<void> }>>> = {
  PostgreSQL: async () => {
    const database = await createDatabase();
    const db = await open(database.url);
    return {
      db,
      remove: async () => {
        await db.close();
        await database.drop();
      },
    };
  },
  'the embedded database': async () => {
    const db = await openEmbedded(null);
    return { db, remove: () => db.close() };
  },
};

const ECHO = statement(
  'test.echo',
  `SELECT $1::text AS text, $2::int8 AS int8, $3::int4 AS int4, $4::float8 AS float8, $5::boolean AS boolean,
     $6::bytea AS bytea, $7::jsonb AS jsonb, $8::timestamptz AS timestamptz, $9::text[] AS texts, $10::int4[] AS ints,
     count(*) AS count FROM generate_series(1, 3)`,
);

for (const [name, opener] of Object.entries(OPENERS)) {
  const test = suite(`a repository over ${name}`);
  let db: Database;
  let remove: () => Promise<void>;

  test.before(async () => {
    ({ db, remove } = await opener());
    await db.query(
      statement(
        'test.create',
        'CREATE TABLE things (id text PRIMARY KEY, n integer CONSTRAINT positive CHECK (n > 0))',
      ),
    );
    await db.query(
      statement('test.child', 'CREATE TABLE parts (thing text REFERENCES things DEFERRABLE INITIALLY DEFERRED)'),
    );
  });
  test.after(() => remove());
  test.beforeEach(async () => {
    await db.query(statement('test.clear', 'TRUNCATE things, parts'));
  });

  const PUT = statement('test.put', 'INSERT INTO things VALUES ($1, $2)');
  const PART = statement('test.part', 'INSERT INTO parts VALUES ($1)');
  const ids = async () =>
    (await db.query<{ id: string }>(statement('test.ids', 'SELECT id FROM things ORDER BY id'))).map(({ id }) => id);

  test('gets every type back as it is meant to', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    const moment = new Date('2026-11-23T12:34:56.789Z');
    const values: SqlValue[] = [
      `ü'"\\ 🔑`,
      2 ** 53 - 1,
      -5,
      0.1,
      true,
      bytes,
      '{"b":[1,null,"ü"],"a":1.5}',
      moment,
      ['a"b', '', 'NULL', '{,}', '\\'],
      [1, -2],
    ];
    for (const [row] of [await db.query(ECHO, values), await db.transaction((tx) => tx.query(ECHO, values))]) {
      const { bytea, ...rest } = row as { bytea: unknown };
      assert.ok(Buffer.isBuffer(bytea) && bytea.equals(bytes));
      assert.equal(rest, {
        text: values[0],
        int8: 2 ** 53 - 1,
        int4: -5,
        float8: 0.1,
        boolean: true,
        jsonb: { a: 1.5, b: [1, null, 'ü'] },
        timestamptz: moment,
        texts: values[8],
        ints: [1, -2],
        count: 3,
      });
    }
    const [nothing] = await db.query<object>(
      ECHO,
      Array.from({ length: 10 }, () => null),
    );
    assert.equal(
      Object.values(nothing ?? {}).slice(0, 10),
      Array.from({ length: 10 }, () => null),
    );
    const [empty] = await db.query<{ bytea: Buffer; texts: string[] }>(ECHO, [
      ...values.slice(0, 5),
      Buffer.alloc(0),
      '[]',
      moment,
      [],
      [],
    ]);
    assert.equal([empty?.bytea.length, empty?.texts], [0, []]);
  });

  test('takes an endless time, and keeps microseconds', async () => {
    const micros = statement(
      'test.micros',
      `SELECT ($1::timestamptz < 'infinity'::timestamptz) AS less, (extract(epoch FROM $1::timestamptz) * 1000000)::bigint AS micros`,
    );
    const [row] = await db.query<{ less: boolean; micros: number }>(micros, ['2026-11-23T12:00:00.000007Z']);
    assert.equal(row, { less: true, micros: Date.UTC(2026, 10, 23, 12) * 1000 + 7 });
  });

  test('has a transaction stored whole or not at all', async () => {
    await db.transaction(async (tx) => {
      await Promise.all([tx.query(PUT, ['a', 1]), tx.query(PUT, ['b', 1])]);
    });
    const mine = new Error('mine');
    const thrown = await errorOf(
      db.transaction(async (tx) => {
        await tx.query(PUT, ['c', 1]);
        throw mine;
      }),
    );
    assert.is(thrown, mine);
    assert.equal(await ids(), ['a', 'b']);
  });

  test('is told which constraint was broken, wherever that comes out', async () => {
    await db.query(PUT, ['a', 1]);
    for (const [broken, constraint, sqlState] of [
      [() => db.query(PUT, ['a', 1]), 'things_pkey', '23505'],
      [() => db.transaction((tx) => tx.query(PUT, ['b', 0])), 'positive', '23514'],
      [() => db.transaction((tx) => tx.query(PART, ['nobody'])), 'parts_thing_fkey', '23503'],
    ] as const) {
      const error = await errorOf(broken());
      assert.instance(error, ConstraintViolation, `${error}`);
      const violation = error as ConstraintViolation;
      assert.equal([violation.constraint, violation.sqlState], [constraint, sqlState]);
    }
    assert.equal(await ids(), ['a']);
  });

  test('is told of a text that cannot be stored', async () => {
    const json = statement('test.json', 'SELECT $1::jsonb AS value');
    for (const broken of [
      () => db.query(PUT, ['a\0', 1]),
      () => db.query(json, ['"\\u0000"']),
      () => db.query(json, ['"\\ud800"']),
    ]) {
      const error = await errorOf(broken());
      assert.instance(error, UnstorableText, `${error}`);
    }
  });

  test('is never told of a commit that was none', async () => {
    const error = await errorOf(
      db.transaction(async (tx) => {
        await tx.query(PUT, ['a', 1]);
        await tx.query(PUT, ['a', 1]).catch(() => {});
      }),
    );
    assert.match(error.message, /rolled back/);
    assert.equal(await ids(), []);
  });

  test('may commit early, and do no more then', async () => {
    let kept: { query: Database['query'] } | undefined;
    await db.transaction(async (tx) => {
      await tx.query(PUT, ['a', 1]);
      await tx.commit();
      await tx.commit();
      kept = tx;
    });
    assert.match((await errorOf(kept!.query(PUT, ['b', 1]))).message, /has ended/);
    assert.equal(await ids(), ['a']);
    assert.ok(db.poolStatus().available > 0);
  });

  test.run();
}
