/** The statements of a list in the database of `serve --dev`, which is another release of PostgreSQL. */
import * as assert from 'uvu/assert';
import { anyCase } from '../../src/secrets/listing/search-text.ts';
import { suite } from '../support/suite.ts';
import { expected, judgeBy, listRules, NO_FILTER, openShelf, pagesOf, type Shelf, textOf } from './listing-fixtures.ts';

const test = suite('a list in the embedded database', { timeoutMs: 40_000 });
let shelf: Shelf;

test.before(async () => {
  shelf = await openShelf({ embedded: true });
});
test.after(() => shelf.close());

test('is what it is in PostgreSQL', async () => {
  const paths = ['a', 'a/b', 'a/c/d', 'a/c/e', 'a-b', 'b/secret', 'b/x', 'c_d/0'];
  await shelf.store(paths);
  const noise = Array.from({ length: 60 }, (_, n) => `*a*a*a*b*b*b${n}c`);
  for (const rules of [
    listRules(['**']),
    listRules(['**', 'z'], ['*/secret', 'a/c/**']),
    listRules(['a*/**', ...noise]),
  ]) {
    const judge = judgeBy(rules);
    for (const folders of [false, true]) {
      const pages = await pagesOf(shelf, judge, { folders, limit: 2 });
      assert.equal(
        pages.flatMap(({ entries }) => entries.map(textOf)),
        expected(paths, judge, '', folders),
      );
    }
  }
  const filter = { ...NO_FILTER, search: anyCase('SECRET') };
  const [page] = await pagesOf(shelf, judgeBy(listRules(['**'])), { filter });
  assert.equal(page?.entries.map(textOf), ['b/secret']);
});

test.run();
