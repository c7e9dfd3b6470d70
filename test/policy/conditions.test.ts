import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { PolicyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { type Circumstances, Findings } from '../../src/policy/conditions/findings.ts';
import { type ConditionsInput, fillConditions } from '../../src/policy/conditions/schema.ts';
import { type Decision, PolicySet, targetOf } from '../../src/policy/evaluate.ts';
import { parseRules, type Rule, type RuleText, readStoredRule, warningsOf } from '../../src/policy/rules.ts';
import { suite } from '../support/suite.ts';
import { NO_VALUES } from './patterns.ts';

const test = suite('conditions of a rule');

const TENANT = 'acme' as TenantId;
const HOUR = 3_600_000;
const NOON = Date.parse('2026-11-23T12:00:00Z');
const HERE: Circumstances = { sourceIp: '10.1.2.3', mfaVerifiedAt: NOON - HOUR, nowMs: NOON };

const rule = (effect: 'allow' | 'deny', conditions: ConditionsInput, path_pattern = 'a'): RuleText => ({
  path_pattern,
  permissions: ['read'],
  effect,
  kind: 'secret',
  conditions,
});

function decide(rules: readonly Rule[], circumstances: Partial<Circumstances> = {}, path = 'a'): Decision {
  const set = new PolicySet(TENANT, [{ id: 'pol_1' as PolicyId, version: 1, rules }]);
  const asked = targetOf(TENANT, 'secret', path as SecretPath, 'read');
  return set.decide(asked, NO_VALUES, new Findings({ ...HERE, ...circumstances }));
}

/** The condition that keeps an allow rule from applying; null: it applies. */
function failed(conditions: ConditionsInput, circumstances: Partial<Circumstances> = {}): string | null {
  const decision = decide(parseRules([rule('allow', conditions)]).rules, circumstances);
  assert.is(decision.allowed, decision.failed === null);
  return decision.failed?.condition ?? null;
}

/** Whether a deny rule applies, where everything else is allowed. */
function denied(conditions: ConditionsInput, circumstances: Partial<Circumstances> = {}): boolean {
  const { rules } = parseRules([rule('allow', {}, '**'), rule('deny', conditions)]);
  return !decide(rules, circumstances).allowed;
}

function refusal(conditions: ConditionsInput, effect: 'allow' | 'deny' = 'allow'): ApiError {
  try {
    parseRules([rule('allow', {}), rule(effect, conditions)]);
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  return assert.unreachable(`accepted ${JSON.stringify(conditions)}`) as never;
}

test('addresses', () => {
  assert.is(failed({ ip_ranges: ['10.0.0.0/8'] }), null);
  assert.is(failed({ ip_ranges: ['192.0.2.0/24', '10.0.0.0/8'] }), null);
  assert.is(failed({ ip_ranges: ['192.0.2.0/24'] }), 'ip_ranges');
  assert.is(failed({ ip_ranges: ['0.0.0.0/0'] }, { sourceIp: '2001:db8::1' }), 'ip_ranges');
  assert.is(failed({ ip_ranges: ['0.0.0.0/0', '::/0'] }, { sourceIp: null }), 'ip_ranges');
  assert.ok(denied({ ip_ranges: ['10.0.0.0/8'] }));
  assert.not(denied({ ip_ranges: ['192.0.2.0/24'] }));
  assert.ok(denied({ ip_ranges: ['192.0.2.0/24'] }, { sourceIp: null }), 'whose address is unknown is denied');
});

test('a second factor, of at most twelve hours unless the rule says otherwise', () => {
  assert.is(failed({ require_mfa: true }), null);
  assert.is(failed({ require_mfa: true }, { mfaVerifiedAt: null }), 'require_mfa');
  assert.is(failed({ require_mfa: true }, { mfaVerifiedAt: NOON - 12 * HOUR }), null);
  assert.is(failed({ require_mfa: true }, { mfaVerifiedAt: NOON - 12 * HOUR - 1 }), 'max_mfa_age');
  assert.is(failed({ max_mfa_age: '30m' }), 'max_mfa_age');
  assert.is(failed({ max_mfa_age: '30m' }, { mfaVerifiedAt: null }), 'require_mfa');
  assert.is(failed({ require_mfa: true, max_mfa_age: '1d12h' }, { mfaVerifiedAt: NOON - 36 * HOUR }), null);
  assert.is(failed({ require_mfa: false }, { mfaVerifiedAt: null }), null);
});

test('times', () => {
  const hours = (start: string, end: string) => ({ time_windows: [{ start, end }] });
  assert.is(failed(hours('12:00', '12:01')), null);
  assert.is(failed(hours('12:01', '13:00')), 'time_windows');
  assert.is(
    failed({ time_windows: [...hours('01:00', '02:00').time_windows, ...hours('11:00', '13:00').time_windows] }),
    null,
  );
  assert.ok(denied(hours('11:00', '13:00')));
  assert.not(denied(hours('13:00', '14:00')));
  assert.is(failed({ not_before: '2026-11-23T12:00:00Z' }), null);
  assert.is(failed({ not_before: '2026-11-23T12:00:00.001Z' }), 'not_before');
  assert.is(failed({ not_after: '2026-11-23T12:00:00Z' }), null);
  assert.is(failed({ not_after: '2026-11-23T11:59:59.999Z' }), 'not_after');
  assert.not(denied({ not_after: '2026-11-23T11:59:59Z' }));
});

test('all of them must hold, and the one named is never one that signing in again would not help after', () => {
  const all = {
    ip_ranges: ['10.0.0.0/8'],
    require_mfa: true,
    time_windows: [{ start: '08:00', end: '17:00' }],
    not_before: '2026-01-01T00:00:00Z',
    not_after: '2026-12-31T00:00:00Z',
  };
  assert.is(failed(all), null);
  assert.is(failed(all, { mfaVerifiedAt: null }), 'require_mfa');
  assert.is(failed(all, { mfaVerifiedAt: null, nowMs: NOON + 8 * HOUR }), 'time_windows');
  assert.is(failed(all, { mfaVerifiedAt: null, nowMs: NOON + 1000 * HOUR }), 'not_after');
  assert.is(failed(all, { mfaVerifiedAt: null, nowMs: NOON + 8 * HOUR, sourceIp: '11.0.0.0' }), 'ip_ranges');
});

test('what fails has a code for the caller; what matches nothing has none', () => {
  const code = (conditions: ConditionsInput) => decide(parseRules([rule('allow', conditions)]).rules).failed?.code;
  assert.is(code({ ip_ranges: ['192.0.2.1'] }), 'ip_not_allowed');
  assert.is(code({ max_mfa_age: '1s' }), 'mfa_required');
  assert.is(code({ time_windows: [{ start: '01:00', end: '02:00' }] }), 'time_window_violation');
  assert.is(code({ not_before: '2027-01-01T00:00:00Z' }), 'time_window_violation');
  const { rules } = parseRules([rule('allow', { ip_ranges: ['192.0.2.1'] })]);
  assert.equal(decide(rules, {}, 'b'), { allowed: false, decidedBy: null, reason: 'no_matching_rule', failed: null });
});

test('a failed condition says nothing where another rule allows or denies', () => {
  const elsewhere = { ip_ranges: ['192.0.2.1'] };
  const allowed = decide(parseRules([rule('allow', elsewhere), rule('allow', {})]).rules);
  assert.equal(
    [allowed.allowed, allowed.reason, allowed.failed, allowed.decidedBy?.ruleIndex],
    [true, 'allowed_by_rule', null, 1],
  );
  const refused = decide(parseRules([rule('allow', elsewhere), rule('deny', {})]).rules);
  assert.equal([refused.reason, refused.failed, refused.decidedBy?.ruleIndex], ['denied_by_rule', null, 1]);
  // A deny rule that does not apply is no reason.
  const { rules } = parseRules([rule('deny', elsewhere)]);
  assert.is(decide(rules).reason, 'no_matching_rule');
  const first = decide(parseRules([rule('allow', { max_mfa_age: '1s' }), rule('allow', elsewhere)]).rules);
  assert.is(first.reason, 'mfa_required', 'of several, the first one');
});

test('conditions are refused by their name and the index of their rule', () => {
  const cases: readonly (readonly [ConditionsInput, RegExp])[] = [
    [{ ip_ranges: ['10.0.0.0/33'] }, /^rules\[1\]: conditions\.ip_ranges: "10\.0\.0\.0\/33" is no address range/],
    [{ ip_ranges: ['0.0.0.0/0', ''] }, /conditions\.ip_ranges: ""/],
    [{ require_mfa: false, max_mfa_age: '1h' }, /conditions\.max_mfa_age: needs a second factor/],
    [{ max_mfa_age: '0s' }, /conditions\.max_mfa_age: no second factor is that young/],
    [{ time_windows: [{ start: '8:00', end: '9:00' }] }, /conditions\.time_windows: "8:00" is no time of day/],
    [{ time_windows: [{ start: '08:00', end: '09:00', timezone: 'Mars/Olympus' }] }, /"Mars\/Olympus" is no time zone/],
    [{ time_windows: [{ start: '08:00', end: '09:00', timezone: '+01:00' }] }, /not an offset/],
    [{ not_before: '2026-02-30T00:00:00Z' }, /conditions\.not_before: write a time in UTC/],
    [{ not_after: '2026-01-01T00:00:00+01:00' }, /conditions\.not_after: write a time in UTC/],
    [{ not_before: '2026-01-02T00:00:00Z', not_after: '2026-01-01T00:00:00Z' }, /never applies/],
  ];
  for (const [conditions, message] of cases) {
    const { code, message: said, details } = refusal(conditions);
    assert.is(code, 'invalid_policy', said);
    assert.match(said, message);
    assert.equal(details, { rule_index: 1 });
  }
  assert.is(refusal({ max_mfa_age: '12 hours' }).code, 'invalid_duration');
});

test('a deny rule by second factor is refused, however it is written', () => {
  for (const conditions of [
    { require_mfa: true },
    { max_mfa_age: '1h' },
    { require_mfa: true, ip_ranges: ['10.0.0.1'] },
  ]) {
    const { code, message } = refusal(conditions, 'deny');
    assert.is(code, 'invalid_policy');
    assert.match(message, /a deny rule takes neither/);
  }
});

test('defaults are filled in, and what means nothing is left out', () => {
  assert.equal(fillConditions({}), undefined);
  assert.equal(fillConditions({ require_mfa: false }), undefined);
  assert.equal(fillConditions({ require_mfa: true }), { require_mfa: true, max_mfa_age: '12h' });
  assert.equal(fillConditions({ max_mfa_age: '1h' }), { require_mfa: true, max_mfa_age: '1h' });
  assert.equal(fillConditions({ time_windows: [{ start: '08:00', end: '09:00' }] }), {
    time_windows: [
      { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], start: '08:00', end: '09:00', timezone: 'UTC' },
    ],
  });
});

test('a stored time zone that this process does not know keeps an allow rule shut and a deny rule on its paths', () => {
  const conditions = { time_windows: [{ days: ['mon'], start: '00:00', end: '00:01', timezone: 'Mars/Olympus' }] };
  const stored = (effect: string) =>
    readStoredRule({ path_pattern: 'a', permissions: ['read'], effect, kind: 'secret', conditions });
  assert.is(decide([stored('allow')]).reason, 'time_window_violation');
  const [open] = parseRules([rule('allow', {}, '**')]).rules;
  assert.is(decide([open!, stored('deny')]).reason, 'denied_by_rule');
  assert.ok(decide([open!, stored('deny')], {}, 'b').allowed);
});

test('a deny rule of which any input is unknown applies, whatever its other conditions say', () => {
  const tonight = [{ start: '22:00', end: '23:00' }];
  assert.not(denied({ ip_ranges: ['10.0.0.0/8'], time_windows: tonight }));
  assert.ok(denied({ ip_ranges: ['10.0.0.0/8'], time_windows: tonight }, { sourceIp: null }));
  const ip_ranges = ['10.0.0.0/8'];
  assert.not(denied({ ip_ranges, not_after: '2026-01-01T00:00:00Z' }));
  assert.ok(denied({ ip_ranges, not_after: '2026-01-01T00:00:00Z' }, { sourceIp: null }));
});

test('stored conditions that cannot be read give nothing, and deny everything of their kind', () => {
  const stored = (effect: string, conditions: unknown) =>
    readStoredRule({ path_pattern: 'a', permissions: ['read'], effect, kind: 'secret', conditions });
  const [open] = parseRules([rule('allow', {}, '**')]).rules;
  for (const conditions of [
    null,
    [],
    {},
    'x',
    { ip_ranges: [] },
    { ip_ranges: '10.0.0.0/8' },
    { ip_ranges: ['10.0.0.0/99'] },
    { require_mfa: 'yes' },
    { require_mfa: true, max_mfa_age: 'soon' },
    { require_mfa: false, max_mfa_age: '1h' },
    { time_windows: [{ start: '08:00' }] },
    { time_windows: [{ start: '08:00', end: '08:00', days: ['mon'], timezone: 'UTC' }] },
    { time_windows: [{ start: '08:00', end: '09:00', days: ['monday'], timezone: 'UTC' }] },
    { time_windows: [{ start: '08:00', end: '09:00', days: ['mon'], timezone: 'UTC', holidays: true }] },
    { not_before: 'tomorrow' },
    { device_posture: 'managed' },
  ]) {
    assert.not(decide([stored('allow', conditions)]).allowed, JSON.stringify(conditions));
    assert.not(decide([open!, stored('deny', conditions)], {}, 'b').allowed, JSON.stringify(conditions));
  }
  // What an allow rule may ask for, a deny rule may not.
  assert.ok(decide([stored('allow', { require_mfa: true })]).allowed);
  assert.not(decide([stored('allow', { require_mfa: true })], { mfaVerifiedAt: null }).allowed);
  assert.not(decide([open!, stored('deny', { require_mfa: true })], {}, 'b').allowed);
});

test('the warning about the parent of p/** takes note of conditions', () => {
  const atNight = { time_windows: [{ start: '22:00', end: '06:00' }] };
  const warned = (...rules: RuleText[]) => warningsOf(parseRules(rules).rules).map((warning) => warning.rule_index);
  assert.equal(warned(rule('deny', atNight, 'p/**')), [0]);
  assert.equal(warned(rule('deny', atNight, 'p/**'), rule('deny', atNight, 'p')), []);
  assert.equal(warned(rule('deny', atNight, 'p/**'), rule('deny', {}, 'p')), []);
  assert.equal(warned(rule('deny', atNight, 'p/**'), rule('deny', { ip_ranges: ['10.0.0.1'] }, 'p')), [0]);
  const always = { path_pattern: 'p/**', permissions: ['read'], effect: 'deny', kind: 'secret' } as const;
  assert.equal(warned(always, rule('deny', atNight, 'p')), [0]);
});

test.run();
