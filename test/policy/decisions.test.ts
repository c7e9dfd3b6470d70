import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { PolicyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import type { Permission, RuleKind } from '../../src/contract/permissions.ts';
import { Findings } from '../../src/policy/conditions/findings.ts';
import { type Policy, PolicySet, targetOf } from '../../src/policy/evaluate.ts';
import type { TemplateValues } from '../../src/policy/glob.ts';
import { parseRules, type RuleText, readStoredRule } from '../../src/policy/rules.ts';
import { suite } from '../support/suite.ts';
import { NO_VALUES, path, pathIn, pattern, permission, reference, VALUES } from './patterns.ts';

const test = suite('decisions');

const TENANT = 'acme' as TenantId;
const NOTHING_KNOWN = new Findings({ sourceIp: null, mfaVerifiedAt: null, nowMs: 0 });

const rule: fc.Arbitrary<RuleText> = fc.record({
  path_pattern: pattern,
  permissions: fc.uniqueArray(permission, { minLength: 1, maxLength: 3 }),
  effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'allow', 'deny'),
  kind: fc.constantFrom<'secret' | 'pki'>('secret', 'secret', 'pki'),
});
const ruleSet = fc.array(rule, { minLength: 1, maxLength: 30 });

/** Rules, and a path that often fits one of them. */
const situation = ruleSet.chain((rules) =>
  fc.record({
    rules: fc.constant(rules),
    onPath: fc.oneof(
      path,
      fc.constantFrom(...rules).chain((each) => pathIn(each.path_pattern)),
    ) as fc.Arbitrary<SecretPath>,
    asked: permission,
    values: fc.constantFrom<TemplateValues>(VALUES, NO_VALUES),
  }),
);

function policy(rules: readonly RuleText[], id = 'pol_1'): Policy {
  return { id: id as PolicyId, version: 1, rules: parseRules(rules).rules };
}

function decide(
  policies: readonly Policy[],
  onPath: string,
  asked: Permission,
  values = NO_VALUES,
  kind: RuleKind = 'secret',
) {
  const target = targetOf(TENANT, kind, onPath as SecretPath, asked);
  return new PolicySet(TENANT, policies).decide(target, values, NOTHING_KNOWN);
}

function allow(path_pattern: string, ...permissions: Permission[]): RuleText {
  return { path_pattern, permissions, effect: 'allow', kind: 'secret' };
}

function deny(path_pattern: string, ...permissions: Permission[]): RuleText {
  return { path_pattern, permissions, effect: 'deny', kind: 'secret' };
}

/** Whether a rule applies, from the specification's words. */
function applies(each: RuleText, onPath: string, asked: Permission, values: TemplateValues): boolean {
  const unexpanded = each.effect === 'deny' ? 'anything' : 'nothing';
  const permitted = each.permissions.includes(asked) || each.permissions.includes('admin');
  return each.kind === 'secret' && permitted && reference(each.path_pattern, values, unexpanded).test(onPath);
}

test('are what a slow evaluation of every rule, one after the other, says', () => {
  fc.assert(
    fc.property(situation, ({ rules, onPath, asked, values }) => {
      const denying = rules.findIndex((each) => each.effect === 'deny' && applies(each, onPath, asked, values));
      const allowing = rules.findIndex((each) => each.effect === 'allow' && applies(each, onPath, asked, values));
      const deciding = denying >= 0 ? denying : allowing;
      const found = decide([policy(rules)], onPath, asked, values);
      assert.is(found.allowed, denying < 0 && allowing >= 0);
      assert.is(found.decidedBy?.ruleIndex ?? -1, deciding);
      assert.is(found.reason, denying >= 0 ? 'denied_by_rule' : allowing >= 0 ? 'allowed_by_rule' : 'no_matching_rule');
    }),
    { numRuns: 2000 },
  );
});

test('are never turned to yes by one more deny rule, nor to no by one more allow rule', () => {
  fc.assert(
    fc.property(situation, rule, ({ rules, onPath, asked, values }, extra) => {
      const before = decide([policy(rules)], onPath, asked, values);
      const after = decide([policy([...rules, extra])], onPath, asked, values);
      if (extra.effect === 'deny') assert.not(after.allowed && !before.allowed);
      else assert.not(before.allowed && !after.allowed);
    }),
    { numRuns: 500 },
  );
});

test('do not depend on the order of rules or policies', () => {
  const shuffled = situation.chain((each) =>
    fc.record({
      each: fc.constant(each),
      other: fc.shuffledSubarray([...each.rules], { minLength: each.rules.length }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ each: { rules, onPath, asked, values }, other }) => {
      const one = decide([policy(rules)], onPath, asked, values);
      assert.is(decide([policy(other)], onPath, asked, values).allowed, one.allowed);
      const split = rules.map((single, at) => policy([single], `pol_${String(at).padStart(3, '0')}`));
      const forward = decide(split, onPath, asked, values);
      assert.equal(decide([...split].reverse(), onPath, asked, values), forward);
      assert.is(forward.allowed, one.allowed);
    }),
    { numRuns: 500 },
  );
});

test('are no without any rule', () => {
  assert.equal(decide([], 'a', 'read'), {
    allowed: false,
    decidedBy: null,
    reason: 'no_matching_rule',
    failed: null,
  });
  assert.not(decide([policy([deny('a', 'read')])], 'b', 'read').allowed);
});

test('name the policy, its version and the rule', () => {
  const older = { ...policy([allow('b', 'read'), allow('a', 'read')], 'pol_1'), version: 7 };
  const newer = policy([allow('a', 'read')], 'pol_2');
  const { decidedBy } = decide([newer, older], 'a', 'read');
  assert.equal(decidedBy, { policyId: 'pol_1', policyVersion: 7, ruleIndex: 1 });
});

test('admin permits everything on its paths, and only admin permits admin', () => {
  for (const each of ['read', 'write', 'delete', 'list', 'rotate', 'admin'] as const) {
    assert.ok(decide([policy([allow('a', 'admin')])], 'a', each).allowed);
    assert.not(decide([policy([allow('**', 'admin'), deny('a', 'admin')])], 'a', each).allowed);
  }
  const most = policy([allow('a', 'read', 'write', 'delete', 'list', 'rotate')]);
  assert.not(decide([most], 'a', 'admin').allowed);
});

test('a rule counts for its own kind only', () => {
  const rules = policy([{ ...allow('**', 'admin'), kind: 'pki' }]);
  assert.ok(decide([rules], 'a', 'read', NO_VALUES, 'pki').allowed);
  for (const kind of ['secret', 'partner_secret', 'dynamic', 'sys'] as const) {
    assert.not(decide([rules], 'a', 'read', NO_VALUES, kind).allowed);
  }
});

test('a template that does not expand gives nothing and denies every segment', () => {
  const home = allow('home/{{identity.key}}', 'read');
  const wall = deny('wall/{{identity.key}}', 'read');
  const both = [policy([home, allow('wall/**', 'read'), wall])];
  assert.not(decide(both, 'home/ab', 'read', NO_VALUES).allowed);
  assert.not(decide(both, 'wall/ab', 'read', NO_VALUES).allowed);
  assert.ok(decide(both, 'home/ab', 'read', VALUES).allowed);
  assert.not(decide(both, 'wall/ab', 'read', VALUES).allowed);
  assert.ok(decide(both, 'wall/other', 'read', VALUES).allowed);
});

test('the policies of one tenant do not answer for another', () => {
  const set = new PolicySet(TENANT, [policy([allow('**', 'admin')])]);
  const asked = targetOf('other' as TenantId, 'secret', 'a' as SecretPath, 'read');
  assert.throws(() => set.decide(asked, NO_VALUES, NOTHING_KNOWN), /another tenant/);
});

test('a stored rule that a newer release has written gives nothing and denies everything', () => {
  const conditions = { device_posture: 'managed' };
  const stored = (each: object): Policy => ({ id: 'pol_1' as PolicyId, version: 1, rules: [readStoredRule(each)] });
  const open = policy([allow('**', 'admin')], 'pol_2');
  assert.not(decide([stored({ ...allow('a', 'read'), conditions })], 'a', 'read').allowed);
  assert.not(decide([open, stored({ ...deny('a', 'read'), conditions })], 'b', 'write').allowed);
  assert.not(decide([open, stored({ ...deny('a//b', 'read') })], 'b', 'write').allowed);
  assert.not(decide([stored({ ...allow('a', 'read'), permissions: ['read', 'sign'] })], 'a', 'read').allowed);
  assert.ok(decide([open, stored({ ...deny('a', 'read'), kind: 'ssh' })], 'a', 'read').allowed);
  for (const broken of [null, 'x', 7, [], {}]) assert.not(decide([stored(broken as object)], 'a', 'read').allowed);
});

test.run();
