/** A list shows exactly the secrets whose own `list` the policies allow (GHSA-xp3c-3jw3-4vcr). */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Judge, Standing } from '../../src/contract/route.ts';
import { makePage } from '../../src/secrets/listing/page.ts';
import { ACME, refusal } from '../policy/house.ts';
import { path, pathIn, pattern } from '../policy/patterns.ts';
import { suite } from '../support/suite.ts';
import {
  expected,
  judgeBy,
  listRules,
  mayList,
  NO_FILTER,
  openShelf,
  pagesOf,
  type Shelf,
  textOf,
} from './listing-fixtures.ts';

const test = suite('a list by policies');
let shelf: Shelf;

test.before(async () => {
  shelf = await openShelf();
});
test.after(() => shelf.close());

async function listed(judge: Judge, asked: Parameters<typeof pagesOf>[2]): Promise<readonly string[]> {
  return (await pagesOf(shelf, judge, asked)).flatMap(({ entries }) => entries.map(textOf));
}

/** Rules, secrets that they are about, and ways to ask for them. */
const cases = fc
  .record({ allowed: fc.array(pattern, { maxLength: 5 }), denied: fc.array(pattern, { maxLength: 3 }) })
  .chain((rules) =>
    fc.record({
      rules: fc.constant(rules),
      paths: fc.uniqueArray(fc.oneof(path, ...[...rules.allowed, ...rules.denied].map(pathIn)), {
        minLength: 3,
        maxLength: 25,
      }),
      prefix: fc.constantFrom('', '', 'a', 'a/', 'ab/', 'b/a', '-'),
      folders: fc.boolean(),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  );

test('shows the secrets whose own list is allowed, and folders that hold one of them', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ rules, paths, prefix, folders, limit }) => {
      await shelf.store(paths);
      const judge = judgeBy(listRules(rules.allowed, rules.denied));
      const wanted = expected(paths, judge, prefix, folders);
      const pages = await pagesOf(shelf, judge, { prefix, folders, limit });
      assert.equal(
        pages.flatMap(({ entries }) => entries.map(textOf)),
        wanted,
      );
      const full = pages.slice(0, -1).every(({ entries }) => entries.length === limit);
      assert.ok(full && pages.length === Math.max(1, Math.ceil(wanted.length / limit)), 'no page short, none empty');
    }),
    { numRuns: 80 },
  );
});

test('does so when there is more to say than a query can', async () => {
  // None of them matches anything, and they make every expression too long.
  const noise = Array.from({ length: 60 }, (_, n) => `*a*a*a*b*b*b${n}c`);
  await fc.assert(
    fc.asyncProperty(cases, fc.boolean(), async ({ rules, paths, prefix, folders, limit }, inDeny) => {
      await shelf.store(paths);
      const judge = inDeny
        ? judgeBy(listRules(rules.allowed, [...rules.denied, ...noise]))
        : judgeBy(listRules([...rules.allowed, ...noise], rules.denied));
      assert.equal(await listed(judge, { prefix, folders, limit }), expected(paths, judge, prefix, folders));
    }),
    { numRuns: 40 },
  );
});

test('does so for thousands of rules, of paths and of patterns', async () => {
  const paths = Array.from({ length: 400 }, (_, n) => `team-${n % 40}/app-${n % 7}/db-${n}`);
  await shelf.store(paths);
  const numbers = Array.from({ length: 10_000 }, (_, n) => n);
  const sets = [
    listRules(numbers.map((n) => `team-${n % 40}/app-${n % 7}/db-${n}`)),
    listRules(numbers.map((n) => `team-${n * 3}/**`)),
    listRules(
      ['**'],
      numbers.map((n) => `team-${n * 3}/**`),
    ),
    listRules(numbers.map((n) => `team-${n % 20}/*/db-${n * 2}`)),
    listRules(numbers.map((n) => `*/app-${n % 5}/db-${n * 2}`)),
    listRules(
      ['team-1*/**'],
      numbers.map((n) => `*/app-${n % 5}/db-${n * 2}`),
    ),
  ];
  for (const rules of sets) {
    const judge = judgeBy(rules);
    shelf.sent();
    for (const folders of [false, true]) {
      const wanted = expected(paths, judge, '', folders);
      assert.ok(wanted.length > 0);
      assert.equal(await listed(judge, { folders, limit: 1_000 }), wanted);
    }
    const sent = shelf.sent();
    assert.ok(sent.length <= 60, `${sent.length} statements for ${rules[0]?.path_pattern}`);
  }
});

test('is not slowed down by 500 patterns that look exponential', async () => {
  const paths = Array.from({ length: 300 }, (_, n) => `${'a'.repeat(150)}${n}/${'a'.repeat(40)}`);
  await shelf.store([...paths, 'b/c']);
  const patterns = Array.from({ length: 500 }, (_, n) => `${'*a'.repeat(30)}*z${n}/**`);
  for (const [allowed, denied, shown] of [
    [patterns, [], 0],
    [['**'], patterns, 301],
    [['b/*', ...patterns], [], 1],
  ] as const) {
    const started = performance.now();
    const pages = await pagesOf(shelf, judgeBy(listRules(allowed, denied)), { limit: 1_000 });
    assert.is(pages.flatMap(({ entries }) => entries).length, shown);
    assert.ok(performance.now() - started < 5_000);
  }
});

test('shows nothing that a query has let through and the evaluator refuses', async () => {
  await shelf.store(['a/1', 'a/2', 'b/1', 'b/2', 'c', 'd/1']);
  const judge = judgeBy(listRules(['**']));
  const stricter: Judge = {
    reach: judge.reach,
    path: (kind, each, permission) =>
      /1|c/.test(each)
        ? { ...judge.path(kind, each, permission), allowed: false, error: new Error() as never }
        : judge.path(kind, each, permission),
  };
  assert.not(mayList(stricter, 'a/1'));
  for (const limit of [1, 2, 100]) {
    assert.equal(await listed(stricter, { limit }), ['a/2', 'b/2']);
    assert.equal(await listed(stricter, { limit, folders: true }), ['a/', 'b/']);
  }
});

test('tells of no secret that it does not show, not even in the place of the next page', async () => {
  await shelf.store(['a', 'b-hidden', 'c', 'd-hidden', 'e', 'f/hidden', 'f/shown']);
  const judge = judgeBy(listRules(['**'], ['*-hidden', '**/hidden']));
  for (const folders of [false, true]) {
    for (const page of await pagesOf(shelf, judge, { limit: 1, folders })) {
      assert.not.match(JSON.stringify(page.next), 'hidden');
    }
  }
});

/** Epochs that are never those of the decision; `confirm` turns to the next judge, the last one for good. */
function changing(judges: readonly Judge[]): { readonly standing: Standing; readonly judge: Judge } {
  let at = 0;
  const now = () => judges[Math.min(at, judges.length - 1)]!;
  return {
    standing: {
      holds: () => false,
      confirm: async () => {
        at++;
      },
    },
    judge: { path: (...asked) => now().path(...asked), reach: (...asked) => now().reach(...asked) },
  };
}

const request = { prefix: '', folders: false, filter: NO_FILTER, limit: 100, from: '' };

test('is made again when what the caller may list changed while it was read', async () => {
  await shelf.store(['a/1', 'b/1']);
  const asking = changing([judgeBy(listRules(['a/**'])), judgeBy(listRules(['b/**']))]);
  shelf.sent();
  const page = await makePage(shelf.db, { tenant: ACME, ...asking }, request);
  assert.equal(page.entries.map(textOf), ['b/1']);
  assert.is(shelf.sent().length, 2);
  const same = changing([judgeBy(listRules(['a/**']))]);
  assert.equal((await makePage(shelf.db, { tenant: ACME, ...same }, request)).entries.map(textOf), ['a/1']);
  assert.is(shelf.sent().length, 1, 'a change that leaves the rules of the caller alone costs nothing');
});

test('is refused in the end when it changes all the time', async () => {
  const judges = Array.from({ length: 50 }, (_, n) => judgeBy(listRules([`a/${n}`])));
  shelf.sent();
  const refused = await refusal(makePage(shelf.db, { tenant: ACME, ...changing(judges) }, request));
  assert.is(refused.code, 'service_unavailable');
  assert.is(refused.retryAfter, 1);
  assert.ok(shelf.sent().length < 10);
});

test.run();
