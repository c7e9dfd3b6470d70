/** How rules become stretches of the index: by themselves, without a database. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { PathPattern } from '../../src/contract/permissions.ts';
import type { Segment } from '../../src/secrets/listing/segments.ts';
import { segmentsOf } from '../../src/secrets/listing/segments.ts';
import { path, pathIn, pattern, reference, VALUES } from '../policy/patterns.ts';
import { suite } from '../support/suite.ts';
import { beyond, judgeBy, listRules } from './listing-fixtures.ts';

const test = suite('rules as stretches of the index');
const END = beyond('');

const compiled = (allowed: readonly string[], denied: readonly string[], from = '', to = END) =>
  segmentsOf(judgeBy(listRules(allowed, denied)).reach('secret', 'list'), from, to);

const covering = (segments: readonly Segment[], onPath: string) =>
  segments.find(({ from, to }) => from <= onPath && onPath < to);

function passes(segments: readonly Segment[], onPath: string): boolean {
  const segment = covering(segments, onPath);
  if (segment === undefined) return false;
  const { allow, deny } = segment;
  return (allow === '' || new RegExp(allow).test(onPath)) && (deny === '' || !new RegExp(deny).test(onPath));
}

const values = { ...VALUES, 'identity.key': 'ab', 'tenant.id': 'acme' };

test('let through what the rules allow, and no more where they are exact', () => {
  const sets = fc.record({
    allowed: fc.array(pattern, { maxLength: 5 }),
    denied: fc.array(pattern, { maxLength: 3 }),
  });
  const withPaths = sets.chain(({ allowed, denied }) =>
    fc.record({
      allowed: fc.constant(allowed),
      denied: fc.constant(denied),
      paths: fc.array(fc.oneof(path, ...[...allowed, ...denied].map(pathIn)), { minLength: 5, maxLength: 15 }),
    }),
  );
  let exact = 0;
  fc.assert(
    fc.property(withPaths, ({ allowed, denied, paths }) => {
      const segments = compiled(allowed, denied);
      for (const each of paths) {
        const matches = (texts: readonly string[]) => texts.some((text) => reference(text, values).test(each));
        const wanted = matches(allowed) && !matches(denied);
        if (covering(segments, each)?.exact === true) exact++;
        if (covering(segments, each)?.exact === false) assert.ok(!wanted || passes(segments, each), each);
        else assert.is(passes(segments, each), wanted, `${each} in ${JSON.stringify(segments)}`);
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(exact > 300, `${exact} paths in exact stretches`);
});

test('are apart from each other, in order, inside what was asked for, and as few as say it', () => {
  const bounds = fc.tuple(fc.constantFrom('', 'a', 'a/', 'ab'), fc.constantFrom(END, beyond('a'), beyond('a/b')));
  fc.assert(
    fc.property(fc.array(pattern), fc.array(pattern), bounds, (allowed, denied, [from, to]) => {
      const segments = compiled(allowed, denied, from, to);
      for (const [index, segment] of segments.entries()) {
        assert.ok(from <= segment.from && segment.from < segment.to && segment.to <= to);
        const before = segments[index - 1];
        if (before === undefined) continue;
        assert.ok(before.to <= segment.from);
        const { from: _, to: __, ...said } = segment;
        const { from: ___, to: end, ...saidBefore } = before;
        if (end === segment.from) assert.not.equal(said, saidBefore);
      }
    }),
    { numRuns: 400 },
  );
});

test('need no expression where a pattern is a path or all below one', () => {
  assert.equal(compiled(['app/db', 'app/team/**'], ['app/team/x/**']), [
    { from: 'app/db', to: 'app/db-', allow: '', deny: '', exact: true },
    { from: 'app/team/', to: 'app/team/x/', allow: '', deny: '', exact: true },
    { from: 'app/team/x/{', to: 'app/team/{', allow: '', deny: '', exact: true },
  ]);
  assert.equal(compiled(['**', 'a*', '*/b', 'c/**/d'], []), [{ from: '', to: '{', allow: '', deny: '', exact: true }]);
  assert.equal(compiled(['*/b', 'a/**'], ['**']), []);
});

test('know steps in any order, also what no pattern of today has', () => {
  const a = { type: 'literal', text: 'a' } as const;
  const [any, gap] = [{ type: 'any' }, { type: 'gap' }] as const;
  const foreign = { type: 'wildcard', text: 'A.*' } as const;
  const cases: readonly (readonly [PathPattern, readonly string[], readonly string[]])[] = [
    [
      [a, gap],
      ['a', 'a/b', 'a/b/c'],
      ['ab', 'b'],
    ],
    [[gap], ['a', 'a/b'], []],
    [
      [gap, a, gap],
      ['a', 'b/a', 'b/a/b', 'a/b'],
      ['b', 'ab'],
    ],
    [
      [any, gap, a],
      ['b/a', 'b/c/a'],
      ['a', 'b'],
    ],
    [[foreign], [], ['a', 'ab']],
    [[], [], ['a']],
  ];
  for (const [steps, matched, others] of cases) {
    const segments = segmentsOf({ allow: [steps], deny: [] }, '', END);
    for (const each of matched) assert.ok(passes(segments, each), `${JSON.stringify(steps)} ${each}`);
    for (const each of others) assert.not(passes(segments, each), `${JSON.stringify(steps)} ${each}`);
  }
});

test('say no more than a database can look at quickly, and leave the rest to the evaluator', () => {
  const many = Array.from({ length: 500 }, (_, n) => `*a*a*a*a*a*a*a*a*${n}`);
  for (const segments of [compiled(many, []), compiled(['**'], many), compiled(many, many)]) {
    assert.ok(segments.length > 0 && segments.every((segment) => !segment.exact));
    for (const { allow, deny } of segments) assert.ok(allow.length + deny.length <= 2_000);
  }
});

test('take ten thousand rules, of any form, in a moment', () => {
  const forms: readonly ((n: number) => string)[] = [
    (n) => `team-${n}/**`,
    (n) => `team-${n}/*/config`,
    (n) => `*/x${n}/**`,
    (n) => `${'a/'.repeat(n % 10)}b*${n}`,
    (n) => `p${'?'.repeat(n % 50)}${n}*`,
  ];
  for (const form of forms) {
    const patterns = Array.from({ length: 10_000 }, (_, n) => form(n));
    const judge = judgeBy(listRules(patterns, patterns.slice(0, 2_000)));
    const reach = judge.reach('secret', 'list');
    const before = process.cpuUsage();
    segmentsOf(reach, '', END);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 500_000, `${form(7)}: ${user + system} µs`);
  }
});

test.run();
