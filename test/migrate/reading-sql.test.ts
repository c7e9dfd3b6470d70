import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { statementsOf } from '../../src/postgres/sql-text.ts';
import { readLocks } from '../../src/postgres/table-locks.ts';
import { suite } from '../support/suite.ts';

const test = suite('reading a migration');
const locksOf = (sql: string) => readLocks(sql, new Set()).locks.map(({ table, mode }) => `${table}: ${mode}`);

test('tells statements apart, whatever stands in strings, names, comments and bodies', () => {
  const cases: [string, string[]][] = [
    ['', []],
    [';; ;', []],
    ['SELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
    [`SELECT 'a;b''; c'; X`, [`SELECT 'a;b''; c'`, 'X']],
    ['SELECT "a;""b"; X', ['SELECT "a;""b"', 'X']],
    ['SELECT 1 -- one; two\n; X', ['SELECT 1', 'X']],
    ['SELECT /* ; */ 1; X', ['SELECT 1', 'X']],
    ['DO $$ BEGIN a; b; END $$; X', ['DO $$ BEGIN a; b; END $$', 'X']],
    ['DO $one$ a; $$ b; $one$; X', ['DO $one$ a; $$ b; $one$', 'X']],
    ['SELECT $1; X', ['SELECT $1', 'X']],
  ];
  for (const [sql, expected] of cases) assert.equal(statementsOf(sql), expected, sql);
});

test('ends with every text, and loses no statement of plain words', () => {
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(statementsOf(text))));
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word), (words) => {
      assert.equal(statementsOf(words.map((each) => `${each} /* ; */ -- ;\n;`).join('')), words);
    }),
  );
});

test('tells what is locked, and how strongly at most', () => {
  const cases: [string, string[]][] = [
    ['CREATE TABLE a (); ALTER TABLE a ADD x int; CREATE INDEX i ON a (x)', []],
    ['ALTER TABLE a ADD x int', ['a: ACCESS EXCLUSIVE']],
    ['alter table if exists only a add x int', ['a: ACCESS EXCLUSIVE']],
    ['CREATE UNIQUE INDEX i ON a (x)', ['a: SHARE']],
    ['CREATE INDEX i ON a (x); ALTER TABLE a ADD y int', ['a: ACCESS EXCLUSIVE']],
    ['CREATE TABLE b (x int REFERENCES a, y int REFERENCES b)', ['a: SHARE ROW EXCLUSIVE']],
    ['ALTER TABLE b ADD FOREIGN KEY (x) REFERENCES a', ['a: SHARE ROW EXCLUSIVE', 'b: ACCESS EXCLUSIVE']],
    [
      'INSERT INTO a VALUES (1); UPDATE b SET x = 1; DELETE FROM c',
      ['a: ROW EXCLUSIVE', 'b: ROW EXCLUSIVE', 'c: ROW EXCLUSIVE'],
    ],
    ['DROP TABLE a', ['a: ACCESS EXCLUSIVE']],
    ['CREATE TABLE p PARTITION OF a FOR VALUES IN (1)', ['a: ACCESS EXCLUSIVE']],
    ['CREATE FUNCTION f() RETURNS int AS $$ ALTER TABLE a ADD x int; $$ LANGUAGE sql; REVOKE ALL ON a FROM b', []],
  ];
  for (const [sql, expected] of cases) {
    assert.equal(locksOf(sql), expected, sql);
    assert.equal(readLocks(sql, new Set()).untold, [], sql);
  }
});

test('claims nothing about what it does not know', () => {
  for (const sql of [
    'SELECT f()',
    'DO $$ BEGIN PERFORM 1; END $$',
    'WITH x AS (SELECT 1) DELETE FROM a',
    'LOCK a',
    'DROP INDEX i',
  ]) {
    assert.is(readLocks(sql, new Set()).untold.length, 1, sql);
  }
});

test.run();
