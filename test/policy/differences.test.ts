import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Permission } from '../../src/contract/permissions.ts';
import { allowsMore, lostDenial } from '../../src/policy/differences.ts';
import type { TemplateValues } from '../../src/policy/glob.ts';
import { parseRules, type RuleText, readStoredRule } from '../../src/policy/rules.ts';
import { suite } from '../support/suite.ts';
import { allow, deny } from './house.ts';
import { NO_VALUES, path, pathIn, pattern, permission, reference, VALUES } from './patterns.ts';

const test = suite('what a change of rules takes and gives');

const rule: fc.Arbitrary<RuleText> = fc.record({
  path_pattern: pattern,
  permissions: fc.uniqueArray(permission, { minLength: 1, maxLength: 3 }),
  effect: fc.constantFrom<'allow' | 'deny'>('allow', 'deny'),
  kind: fc.constantFrom<'secret' | 'pki'>('secret', 'secret', 'pki'),
});

/** Rules and a change of them: some stay, some are split, some are said in wider words, some are new. */
const change = fc
  .array(rule, { minLength: 1, maxLength: 6 })
  .chain((before) =>
    fc.tuple(
      fc.constant(before),
      fc.tuple(
        ...before.map((each) =>
          fc.oneof(fc.constant([each]), fc.constant(split(each)), widened(each), fc.constant([])),
        ),
      ),
      fc.array(rule, { maxLength: 2 }),
    ),
  )
  .map(([before, kept, added]) => ({ before, after: [...kept.flat(), ...added] }));

function split(each: RuleText): readonly RuleText[] {
  return each.permissions.map((only) => ({ ...each, permissions: [only] }));
}

function widened(each: RuleText): fc.Arbitrary<readonly RuleText[]> {
  const wider = each.path_pattern.replace(/(^|\/)[a-z-]+$/, '$1*');
  return fc.constantFrom(wider, '**').map((path_pattern) => [{ ...each, path_pattern }]);
}

function says(rules: readonly RuleText[], effect: string, onPath: string, asked: Permission, values: TemplateValues) {
  const unexpanded = effect === 'deny' ? 'anything' : 'nothing';
  return rules.some(
    (each) =>
      each.effect === effect &&
      each.kind === 'secret' &&
      (each.permissions.includes(asked) || each.permissions.includes('admin')) &&
      reference(each.path_pattern, values, unexpanded).test(onPath),
  );
}

const read = (texts: readonly RuleText[]) => texts.map(readStoredRule);

test('what is said to be kept is denied as before, and what is said to be no more is not allowed', () => {
  let [kept, noMore] = [0, 0];
  fc.assert(
    fc.property(
      change.chain((texts) =>
        fc.record({
          texts: fc.constant(texts),
          onPath: fc.oneof(
            path,
            fc.constantFrom(...texts.before, ...texts.after).chain((each) => pathIn(each.path_pattern)),
          ),
          asked: permission,
          values: fc.constantFrom(VALUES, NO_VALUES),
        }),
      ),
      ({ texts: { before, after }, onPath, asked, values }) => {
        const allowed = (rules: readonly RuleText[]) =>
          says(rules, 'allow', onPath, asked, values) && !says(rules, 'deny', onPath, asked, values);
        if (lostDenial(read(before), read(after)) < 0) {
          kept++;
          if (says(before, 'deny', onPath, asked, values)) assert.ok(says(after, 'deny', onPath, asked, values));
        }
        if (!allowsMore(read(before), read(after))) {
          noMore++;
          if (allowed(after)) assert.ok(allowed(before));
        }
      },
    ),
    { numRuns: 3_000 },
  );
  assert.ok(kept > 300 && noMore > 150, `${kept} kept, ${noMore} no more`);
});

test('the same rules in any order are no change', () => {
  const rules = parseRules([allow('a/*'), deny('a/{{identity.key}}'), deny('b/**', ['write']), allow('c')]).rules;
  assert.is(lostDenial(rules, rules.toReversed()), -1);
  assert.not(allowsMore(rules, rules.toReversed()));
});

test('the first deny rule that is lost is named by its place', () => {
  const before = parseRules([allow('a'), deny('a'), deny('b', ['read', 'write'])]).rules;
  assert.is(lostDenial(before, parseRules([deny('a'), deny('b')]).rules), 2);
  assert.is(lostDenial(before, []), 1);
});

test('a deny rule of a kind that is not known here is kept by nothing', () => {
  const unknown = readStoredRule({ ...deny('a'), kind: 'lunar' });
  assert.is(lostDenial([unknown], parseRules([deny('**', ['admin'])]).rules), 0);
});

test('a thousand rules that exclude each other are compared in little time, and then taken as lost', () => {
  const many = (from: number) =>
    parseRules(Array.from({ length: 1_000 }, (_, n) => deny(`${'*/'.repeat(8)}x${from + n}*`))).rules;
  const started = performance.now();
  assert.is(lostDenial(many(0), many(5_000)), 0);
  assert.ok(allowsMore(many(0), many(5_000)));
  assert.is(lostDenial(many(0), many(0)), -1);
  assert.ok(performance.now() - started < 4_000);
});

test.run();
