import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { PolicyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { type Circumstances, Findings } from '../../src/policy/conditions/findings.ts';
import type { ConditionsInput } from '../../src/policy/conditions/schema.ts';
import { type Policy, PolicySet, targetOf } from '../../src/policy/evaluate.ts';
import { parseGlob } from '../../src/policy/glob.ts';
import { parseRules, type RuleText } from '../../src/policy/rules.ts';
import { GlobTrie } from '../../src/policy/trie.ts';
import { suite } from '../support/suite.ts';
import { ALL, NO_VALUES, path, pathIn, pattern, permission, reference, VALUES } from './patterns.ts';

const test = suite('decisions under conditions');

const TENANT = 'acme' as TenantId;

/** Few of each, so that they hold and fail about as often. */
const ADDRESSES = ['10.0.0.1', '2001:db8::1'] as const;
const RANGES: Readonly<Record<string, readonly string[]>> = {
  '10.0.0.0/8': ['10.0.0.1'],
  '::/0': ['2001:db8::1'],
  '192.0.2.0/24': [],
};
const conditions: fc.Arbitrary<ConditionsInput> = fc.record(
  {
    ip_ranges: fc.uniqueArray(fc.constantFrom(...Object.keys(RANGES)), { minLength: 1, maxLength: 2 }),
    max_mfa_age: fc.constantFrom('1m', '1h'),
    time_windows: fc.constantFrom([{ start: '00:00', end: '12:00' }], [{ start: '06:00', end: '18:00' }]),
    not_after: fc.constant('2026-11-23T15:00:00Z'),
  },
  { requiredKeys: [] },
);
const circumstances: fc.Arbitrary<Circumstances> = fc
  .record({
    sourceIp: fc.constantFrom(null, ...ADDRESSES),
    mfaAge: fc.constantFrom(null, 0, 30, 90),
    hour: fc.nat(23),
  })
  .map(({ sourceIp, mfaAge, hour }) => {
    const nowMs = Date.UTC(2026, 10, 23, hour, 30);
    return { sourceIp, mfaVerifiedAt: mfaAge === null ? null : nowMs - mfaAge * 60_000, nowMs };
  });
const rule: fc.Arbitrary<RuleText> = fc
  .record({
    path_pattern: pattern,
    permissions: fc.uniqueArray(permission, { minLength: 1, maxLength: 3 }),
    effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'deny'),
    kind: fc.constantFrom<'secret' | 'pki'>('secret', 'secret', 'secret', 'pki'),
    conditions: fc.option(conditions, { nil: {} as ConditionsInput }),
  })
  .map((each) => {
    const { max_mfa_age: _, ...others } = each.conditions;
    return each.effect === 'deny' ? { ...each, conditions: others } : each;
  });
const situation = fc.array(rule, { minLength: 1, maxLength: 25 }).chain((rules) =>
  fc.record({
    rules: fc.constant(rules),
    onPath: fc.oneof(
      path,
      fc.constantFrom(...rules).chain((each) => pathIn(each.path_pattern)),
    ) as fc.Arbitrary<SecretPath>,
    asked: permission,
    values: fc.constantFrom(VALUES, NO_VALUES),
    now: circumstances,
  }),
);

/** From the specification's words, one condition after the other. */
function hold({ ip_ranges, max_mfa_age, time_windows, not_after }: ConditionsInput, now: Circumstances): boolean {
  const inRange = ip_ranges?.some((range) => now.sourceIp !== null && RANGES[range]?.includes(now.sourceIp)) ?? true;
  const limit = max_mfa_age === '1m' ? 60_000 : 3_600_000;
  const young = max_mfa_age === undefined || (now.mfaVerifiedAt !== null && now.nowMs - now.mfaVerifiedAt <= limit);
  const hour = new Date(now.nowMs).getUTCHours();
  const open = time_windows?.some(
    ({ start, end }) => hour >= Number(start.slice(0, 2)) && hour < Number(end.slice(0, 2)),
  );
  return inRange && young && (open ?? true) && (not_after === undefined || hour < 15);
}

function matches(each: RuleText, { onPath, asked, values }: { onPath: string; asked: string; values: typeof VALUES }) {
  const permitted = each.permissions.some((held) => held === asked || held === 'admin');
  const unexpanded = each.effect === 'deny' ? 'anything' : 'nothing';
  return each.kind === 'secret' && permitted && reference(each.path_pattern, values, unexpanded).test(onPath);
}

const policy = (rules: readonly RuleText[]): Policy => ({
  id: 'pol_1' as PolicyId,
  version: 1,
  rules: parseRules(rules).rules,
});

test('are what a slow evaluation of every rule, one after the other, says', () => {
  let [hindered, undetermined] = [0, 0];
  fc.assert(
    fc.property(situation, (each) => {
      const { rules, onPath, asked, values, now } = each;
      const matching = rules.map((text) => matches(text, each));
      const unknown = (text: RuleText) => now.sourceIp === null && text.conditions?.ip_ranges !== undefined;
      const denying = rules.findIndex(
        (text, at) => text.effect === 'deny' && matching[at] && (hold(text.conditions ?? {}, now) || unknown(text)),
      );
      const allowing = rules.findIndex(
        (text, at) => text.effect === 'allow' && matching[at] && hold(text.conditions ?? {}, now),
      );
      const wouldAllow = rules.some((text, at) => text.effect === 'allow' && matching[at]);
      const target = targetOf(TENANT, 'secret', onPath, asked);
      const found = new PolicySet(TENANT, [policy(rules)]).decide(target, values, new Findings(now));
      assert.is(found.allowed, denying < 0 && allowing >= 0);
      assert.is(found.decidedBy?.ruleIndex ?? -1, denying >= 0 ? denying : allowing);
      assert.is(found.failed !== null, denying < 0 && allowing < 0 && wouldAllow);
      if (found.failed !== null) hindered++;
      if (denying >= 0 && !hold(rules[denying]!.conditions ?? {}, now)) undetermined++;
    }),
    { numRuns: 4_000 },
  );
  assert.ok(hindered > 100 && undetermined > 20, `${hindered} ${undetermined}: the test says little`);
});

test('a rule with one more condition allows no more, and a deny rule with one less denies no less', () => {
  fc.assert(
    fc.property(situation, conditions, ({ rules, onPath, asked, values, now }, more) => {
      const decide = (texts: readonly RuleText[]) =>
        new PolicySet(TENANT, [policy(texts)]).decide(
          targetOf(TENANT, 'secret', onPath, asked),
          values,
          new Findings(now),
        );
      const tightened = rules.map((each) =>
        each.effect === 'allow' && each.conditions !== undefined && Object.keys(each.conditions).length === 0
          ? { ...each, conditions: more }
          : each,
      );
      assert.not(decide(tightened).allowed && !decide(rules).allowed);
      const unconditional = rules.map((each) => (each.effect === 'deny' ? { ...each, conditions: {} } : each));
      assert.not(decide(unconditional).allowed && !decide(rules).allowed);
    }),
    { numRuns: 1_000 },
  );
});

const conditional = (at: number, text: ConditionsInput, path_pattern = '**'): RuleText => ({
  path_pattern,
  permissions: ['read'],
  effect: at % 2 === 0 ? 'allow' : 'deny',
  kind: 'secret',
  conditions: text,
});
const ELSEWHERE: Circumstances = { sourceIp: '203.0.113.5', mfaVerifiedAt: null, nowMs: Date.UTC(2026, 10, 23) };

test('the same conditions are looked at once, however many rules have them and however many paths are asked about', () => {
  const texts = Array.from({ length: 4_000 }, (_, at) =>
    conditional(
      at,
      { ip_ranges: [`10.${at % 10}.0.0/16`] },
      at % 3 === 0 ? '**' : `**/${'a'.repeat((at % 50) + 1)}*/**`,
    ),
  );
  const set = new PolicySet(TENANT, [policy(texts)]);
  const findings = new Findings(ELSEWHERE);
  for (const onPath of ['a/b', 'a/b/c', 'aa/bb/aaaa/c', 'x/y']) {
    const target = targetOf(TENANT, 'secret', onPath as SecretPath, 'read');
    assert.is(set.decide(target, NO_VALUES, findings).reason, 'ip_not_allowed');
  }
  assert.is(findings.size, 10);
});

test('no condition is looked at where no rule that has it matches', () => {
  const set = new PolicySet(TENANT, [policy([conditional(0, { ip_ranges: ['10.0.0.1'] }, 'a/*')])]);
  const findings = new Findings(ELSEWHERE);
  set.decide(targetOf(TENANT, 'secret', 'b/c' as SecretPath, 'read'), NO_VALUES, findings);
  set.decide(targetOf(TENANT, 'secret', 'a/c' as SecretPath, 'write'), NO_VALUES, findings);
  assert.is(findings.size, 0);
});

test('conditional patterns that look exponential cost path times pattern and one step a rule that matches', () => {
  const onPath = Array(10).fill('a').join('/');
  const nested = Array.from(
    { length: 500 },
    (_, at) => `${'**/a/'.repeat((at % 9) + 1)}${at % 2 === 0 ? '**' : `b${at}`}`,
  );
  const nodes = nested.reduce((sum, text) => sum + 2 * text.split('/').length, 0);
  const trie = new GlobTrie('matches_nothing');
  for (const [index, text] of nested.entries()) trie.addEach(parseGlob(text), ALL, index);
  const found = new Set<number>();
  trie.each(onPath, 0, NO_VALUES, (each) => void found.add(each));
  assert.ok(trie.steps <= 11 * nodes + nested.length, String(trie.steps));
  assert.equal(
    [...found].sort((a, b) => a - b),
    nested.flatMap((text, at) => (reference(text, NO_VALUES).test(onPath) ? [at] : [])),
  );
});

test.run();
