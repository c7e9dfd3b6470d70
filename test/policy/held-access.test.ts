import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { PolicyId, SecretPath } from '../../src/contract/names.ts';
import type { PathPattern, Reach } from '../../src/contract/permissions.ts';
import { subjectKey } from '../../src/contract/principal.ts';
import { PolicyAccess, PolicySets } from '../../src/policy/access.ts';
import type { ConditionsInput } from '../../src/policy/conditions/schema.ts';
import { parseRules, type RuleText } from '../../src/policy/rules.ts';
import type { TenantState } from '../../src/policy/tenant-state.ts';
import { suite } from '../support/suite.ts';
import { ACME, person } from './house.ts';
import { path, pathIn, pattern } from './patterns.ts';

const test = suite('an access that is held for a while');

const NOON = Date.UTC(2026, 10, 23, 12);

class SteppedClock {
  ms = NOON;
  nowMs = () => this.ms;
  nowMicros = () => this.ms * 1000;
}

const ANN = person('ab', { mfaVerifiedAt: NOON - 60_000 });

function access(
  rules: readonly RuleText[],
  { clock = new SteppedClock(), sourceIp = '10.0.0.1' as string | null } = {},
) {
  const policy = { id: 'pol_1' as PolicyId, version: 1, rules: parseRules(rules).rules };
  const state: TenantState = {
    tenantId: ACME.tenantId,
    generation: 1,
    epochs: { policy: 1, subject: 1 },
    policies: new Map([[policy.id, policy]]),
    bound: new Map([[subjectKey(ANN.subject), [{ policy, expiresAt: null }]]]),
    tenantKey: 'b',
    size: 1,
  };
  return new PolicyAccess(state, { principal: ANN, tenant: ACME, sourceIp }, new PolicySets(), clock);
}

const rule = (effect: 'allow' | 'deny', path_pattern: string, conditions: ConditionsInput = {}): RuleText => ({
  path_pattern,
  permissions: ['read'],
  effect,
  kind: 'secret',
  conditions,
});

test('is judged by the time of each question', () => {
  const clock = new SteppedClock();
  const held = access(
    [
      rule('allow', 'a', { not_after: '2026-11-23T12:30:00Z' }),
      rule('allow', 'b', { not_before: '2026-11-23T12:30:00Z' }),
      rule('allow', 'c', { time_windows: [{ start: '11:00', end: '12:30' }] }),
      rule('allow', 'd', { max_mfa_age: '30m' }),
      rule('allow', 'e'),
      rule('deny', 'e', { time_windows: [{ start: '12:30', end: '13:00' }] }),
    ],
    { clock },
  );
  const open = () =>
    ['a', 'b', 'c', 'd', 'e'].filter((each) => held.decide('secret', each as SecretPath, 'read').allowed);
  const reached = () => ['a', 'b', 'c', 'd', 'e'].filter((each) => within(held.reach('secret', 'read'), each));
  assert.equal(
    [open(), reached()],
    [
      ['a', 'c', 'd', 'e'],
      ['a', 'c', 'd', 'e'],
    ],
  );
  clock.ms += 31 * 60_000;
  assert.equal([open(), reached()], [['b'], ['b']]);
  clock.ms -= 31 * 60_000;
  assert.equal(
    [open(), reached()],
    [
      ['a', 'c', 'd', 'e'],
      ['a', 'c', 'd', 'e'],
    ],
    'also when the clock is set back',
  );
});

test('two callers who share their policies are judged by their own circumstances', () => {
  const rules = [rule('allow', 'a', { ip_ranges: ['10.0.0.0/8'] })];
  const [inside, outside] = [access(rules), access(rules, { sourceIp: '192.0.2.1' })];
  for (let round = 0; round < 2; round++) {
    assert.ok(inside.decide('secret', 'a' as SecretPath, 'read').allowed);
    assert.is(outside.decide('secret', 'a' as SecretPath, 'read').failed?.condition, 'ip_ranges');
  }
});

/** Whether a path is within reach, by patterns turned into regular expressions. */
function within({ allow, deny }: Reach, onPath: string): boolean {
  const has = (patterns: readonly PathPattern[]) => patterns.some((each) => expression(each).test(`/${onPath}`));
  return has(allow) && !has(deny);
}

function expression(steps: PathPattern): RegExp {
  const source = steps.map((step) => {
    if (step.type === 'gap') return '(?:/[^/]+)*';
    if (step.type === 'any') return '/[^/]+';
    return `/${step.text.replace(/[*?]/g, (wildcard) => (wildcard === '*' ? '[^/]*' : '[^/]'))}`;
  });
  return new RegExp(`^${source.join('')}$`);
}

const conditions = fc.constantFrom<ConditionsInput>(
  {},
  {},
  { ip_ranges: ['10.0.0.0/8'] },
  { ip_ranges: ['192.0.2.0/24'] },
  { not_after: '2026-11-23T11:00:00Z' },
  { time_windows: [{ start: '12:00', end: '13:00' }] },
);

test('reaches exactly the paths that it allows', () => {
  const rules = fc.array(
    fc
      .tuple(fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'deny'), pattern, conditions)
      .map(([effect, text, under]) => rule(effect, text, under)),
    { minLength: 1, maxLength: 12 },
  );
  const asked = rules.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.oneof(
        path,
        fc.constantFrom(...all).chain((each) => pathIn(each.path_pattern)),
      ),
    ),
  );
  let allowed = 0;
  fc.assert(
    fc.property(asked, fc.constantFrom('10.0.0.1', '192.0.2.1', null), ([all, onPath], sourceIp) => {
      const held = access(all, { sourceIp });
      const decision = held.decide('secret', onPath as SecretPath, 'read');
      if (decision.allowed) allowed++;
      assert.is(within(held.reach('secret', 'read'), onPath), decision.allowed, onPath);
      assert.equal(held.reach('pki', 'read'), { allow: [], deny: [] });
      assert.equal(held.reach('secret', 'write'), { allow: [], deny: [] });
    }),
    { numRuns: 2_000 },
  );
  assert.ok(allowed > 200, `only ${allowed} allowed`);
});

test.run();
