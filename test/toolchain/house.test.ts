import * as assert from 'uvu/assert';
import { strayEntries, strayStatements } from '../../scripts/build/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('house rules');

test('what is in the specification may stand at the top, other things may not', () => {
  assert.equal(strayEntries(['src/a.ts', 'docs/b.md', 'README.md', '.ci/run', 'biome.json']), []);
  assert.equal(strayEntries(['src/a.ts', 'lib/b.ts', 'notes.txt']), [
    'lib: not a top-level entry (spec 00)',
    'notes.txt: not a top-level entry (spec 00)',
  ]);
});

test('SQL outside the repositories is found', () => {
  for (const source of [
    'const a = `SELECT id\n  FROM secrets`;',
    "db.query('INSERT INTO secrets VALUES (1)')",
    "'UPDATE secrets SET a = 1'",
    "'DELETE FROM secrets'",
    "'CREATE TABLE t ()'",
    "statement('secret.read', text)",
  ]) {
    assert.is(strayStatements('src/secrets/service.ts', source).length, 1, source);
    assert.is(strayStatements('commands/serve.ts', source).length, 1, source);
    assert.is(strayStatements('src/secrets/repository.ts', source).length, 0, source);
    assert.is(strayStatements('src/postgres/migrate.ts', source).length, 0, source);
  }
});

test('prose and names that look like SQL are left alone', () => {
  const prose =
    '// SELECT name FROM everywhere is what a repository does.\n/** DELETE FROM, too. */\nconst select = 1;';
  assert.equal(strayStatements('src/secrets/service.ts', prose), []);
  assert.equal(strayStatements('src/secrets/service.ts', "'Select a value from the list.'"), []);
});

test.run();
