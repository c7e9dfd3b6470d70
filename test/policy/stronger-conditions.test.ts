import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { deniesAsMuch, isAsStrong } from '../../src/policy/conditions/compare.ts';
import { type Conditions, parseConditions } from '../../src/policy/conditions/conditions.ts';
import { type Circumstances, Findings } from '../../src/policy/conditions/findings.ts';
import { type ConditionsInput, fillConditions } from '../../src/policy/conditions/schema.ts';
import { lostDenial } from '../../src/policy/differences.ts';
import { refuseEscalation } from '../../src/policy/escalation.ts';
import { parseRules, type RuleText } from '../../src/policy/rules.ts';
import { suite } from '../support/suite.ts';
import { NO_VALUES } from './patterns.ts';

const test = suite('same or stronger conditions');

const NOON = Date.UTC(2026, 10, 23, 12);
const HERE: Circumstances = { sourceIp: '10.1.2.3', mfaVerifiedAt: NOON, nowMs: NOON };

function read(text: ConditionsInput): Conditions | null {
  return fillConditions(text) === undefined ? null : parseConditions(text);
}
const strong = (inner: ConditionsInput, outer: ConditionsInput) => isAsStrong(read(inner), read(outer), { steps: 0 });
const denies = (outer: ConditionsInput, inner: ConditionsInput) => deniesAsMuch(read(outer), read(inner), { steps: 0 });

const office = { time_windows: [{ start: '08:00', end: '17:00', timezone: 'Europe/Berlin' }] };
const STRONGER: readonly (readonly [inner: ConditionsInput, outer: ConditionsInput])[] = [
  [{}, {}],
  [{ require_mfa: true }, {}],
  [{ ip_ranges: ['10.1.0.0/16'] }, { ip_ranges: ['10.0.0.0/8'] }],
  [{ ip_ranges: ['10.1.0.0/16'], require_mfa: true }, { ip_ranges: ['10.0.0.0/8'] }],
  [{ max_mfa_age: '1h' }, { require_mfa: true }],
  [{ require_mfa: true }, { max_mfa_age: '12h' }],
  [{ time_windows: [{ ...office.time_windows[0]!, days: ['mon'] }] }, office],
  [{ not_before: '2026-02-01T00:00:00Z' }, { not_before: '2026-01-01T00:00:00Z' }],
  [{ not_after: '2026-01-01T00:00:00Z' }, { not_after: '2026-02-01T00:00:00Z' }],
];
const NOT_STRONGER: readonly (readonly [inner: ConditionsInput, outer: ConditionsInput])[] = [
  [{}, { require_mfa: true }],
  [{ ip_ranges: ['10.0.0.0/8'] }, { ip_ranges: ['10.1.0.0/16'] }],
  [{ ip_ranges: ['10.0.0.0/8'] }, { require_mfa: true }],
  [{ require_mfa: true }, { max_mfa_age: '1h' }],
  [{ max_mfa_age: '13h' }, { require_mfa: true }],
  [{ require_mfa: false }, { require_mfa: true }],
  [office, { time_windows: [{ ...office.time_windows[0]!, days: ['mon'] }] }],
  [{ time_windows: [{ start: '08:00', end: '17:00' }] }, office],
  [{ time_windows: [...office.time_windows, { start: '01:00', end: '02:00' }] }, office],
  [{ not_before: '2026-01-01T00:00:00Z' }, { not_before: '2026-02-01T00:00:00Z' }],
  [{ not_after: '2026-02-01T00:00:00Z' }, { not_after: '2026-01-01T00:00:00Z' }],
  [{ not_after: '2026-01-01T00:00:00Z' }, { not_before: '2026-01-01T00:00:00Z' }],
];
for (const [inner, outer] of STRONGER) {
  test(`${JSON.stringify(inner)} is as strong as ${JSON.stringify(outer)}`, () => assert.ok(strong(inner, outer)));
}
for (const [inner, outer] of NOT_STRONGER) {
  test(`${JSON.stringify(inner)} is not as strong as ${JSON.stringify(outer)}`, () => assert.not(strong(inner, outer)));
}

const range = fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '0.0.0.0/0', '::/0', '192.0.2.0/24');
const hour = fc.integer({ min: 0, max: 23 });
const clock = (at: number) => `${String(at).padStart(2, '0')}:00`;
const window = fc
  .tuple(hour, hour, fc.constantFrom('UTC', 'Europe/Berlin', 'Mars/Olympus'), fc.constantFrom(['mon'], ['sun', 'mon']))
  .filter(([start, end]) => start !== end)
  .map(([start, end, timezone, days]) => ({ start: clock(start), end: clock(end), timezone, days: days as ['mon'] }));
const any: fc.Arbitrary<ConditionsInput> = fc.record(
  {
    ip_ranges: fc.array(range, { minLength: 1, maxLength: 3 }),
    max_mfa_age: fc.constantFrom('1h', '2h'),
    time_windows: fc.array(window, { minLength: 1, maxLength: 2 }),
    not_before: fc.constantFrom('2026-11-23T06:00:00Z', '2026-11-23T12:00:00Z'),
    not_after: fc.constantFrom('2026-11-23T18:00:00Z', '2026-11-23T13:00:00Z'),
  },
  { requiredKeys: [] },
);
/** Two that are often alike. */
const pair = any.chain((one) =>
  fc.tuple(
    fc.constant(one),
    fc.oneof(
      any,
      any.map((more) => ({ ...one, ...more })),
    ),
  ),
);
const now: fc.Arbitrary<Circumstances> = fc
  .record({
    sourceIp: fc.constantFrom(null, '10.1.2.3', '10.9.9.9', '192.0.2.7', '2001:db8::1'),
    mfa: fc.constantFrom(null, 30, 90),
    hour,
  })
  .map(({ sourceIp, mfa, hour: at }) => {
    const nowMs = Date.UTC(2026, 10, 23, at, 30);
    return { sourceIp, nowMs, mfaVerifiedAt: mfa === null ? null : nowMs - mfa * 60_000 };
  });

test('where the stronger hold, the weaker hold; where a deny rule applied, the one in its place applies', () => {
  let [stronger, kept] = [0, 0];
  fc.assert(
    fc.property(pair, now, ([outer, inner], circumstances) => {
      const findings = new Findings(circumstances);
      const applies = (effect: 'allow' | 'deny', text: ConditionsInput) =>
        findings.against(effect, read(text)) === null;
      if (strong(inner, outer)) {
        stronger++;
        assert.not(applies('allow', inner) && !applies('allow', outer));
      }
      const [{ max_mfa_age: _, ...before }, { max_mfa_age: __, ...after }] = [inner, outer];
      if (!denies(after, before)) return;
      kept++;
      assert.not(applies('deny', before) && !applies('deny', after));
    }),
    { numRuns: 10_000 },
  );
  assert.ok(stronger > 300 && kept > 100, `${stronger} ${kept}: the test says little`);
});

test('a deny rule that no longer asks for the address is weaker where the address is unknown', () => {
  const both = { ip_ranges: ['10.0.0.0/8'], not_after: '2026-01-01T00:00:00Z' };
  assert.not(denies({ not_after: '2026-01-01T00:00:00Z' }, both));
  assert.ok(denies({ ip_ranges: ['10.0.0.0/8'] }, both));
  assert.ok(denies({}, both));
});

const rule = (effect: 'allow' | 'deny', path_pattern: string, conditions: ConditionsInput = {}): RuleText => ({
  path_pattern,
  permissions: [effect === 'allow' ? 'admin' : 'read'],
  effect,
  kind: 'secret',
  conditions,
});
const rules = (...texts: RuleText[]) => parseRules(texts).rules;

function refused(given: RuleText, held: RuleText, circumstances: Circumstances = HERE): boolean {
  const own = rules(held);
  const findings = new Findings(circumstances);
  try {
    refuseEscalation(rules(given), { allowing: own, denying: own, findings, values: NO_VALUES });
    return false;
  } catch {
    return true;
  }
}

test('whoever holds admin under conditions hands out only what has them too', () => {
  const held = rule('allow', 'app/**', { ip_ranges: ['10.0.0.0/8'], require_mfa: true });
  assert.ok(refused(rule('allow', 'app/a'), held));
  assert.ok(refused(rule('allow', 'app/a', { ip_ranges: ['10.0.0.0/8'] }), held));
  assert.ok(refused(rule('allow', 'app/a', { ip_ranges: ['0.0.0.0/0'], require_mfa: true }), held));
  assert.not(refused(rule('allow', 'app/a', { ip_ranges: ['10.9.0.0/16'], max_mfa_age: '1h' }), held));
  assert.not(refused(rule('deny', 'x', { ip_ranges: ['0.0.0.0/0'] }), held));
});

test('and only while they hold for themselves', () => {
  const held = rule('allow', 'app/**', { require_mfa: true });
  const given = rule('allow', 'app/a', { require_mfa: true });
  assert.not(refused(given, held));
  assert.ok(refused(given, held, { ...HERE, mfaVerifiedAt: null }));
  const byAddress = rule('allow', 'app/**', { ip_ranges: ['10.0.0.0/8'] });
  assert.ok(refused(byAddress, byAddress, { ...HERE, sourceIp: null }));
});

test('a deny rule under conditions stands in the way whether they hold or not', () => {
  const own = rules(rule('allow', '**'), rule('deny', 'app/**', { ip_ranges: ['192.0.2.1'] }));
  const holding = { allowing: own, denying: own, findings: new Findings(HERE), values: NO_VALUES };
  assert.throws(() => refuseEscalation(rules(rule('allow', 'app/a')), holding), /a deny rule takes part of it/);
});

test('a deny rule is kept by one with weaker conditions, and lost by one with stronger', () => {
  const lost = (before: ConditionsInput, after: ConditionsInput) =>
    lostDenial(rules(rule('deny', 'a/*', before)), rules(rule('deny', 'a/**', after))) >= 0;
  assert.not(lost({ ip_ranges: ['10.0.0.1'] }, {}));
  assert.not(lost({ ip_ranges: ['10.0.0.1'] }, { ip_ranges: ['10.0.0.0/8'] }));
  assert.ok(lost({}, { ip_ranges: ['0.0.0.0/0', '::/0'] }), 'not shown to be the same');
  assert.ok(lost({ ip_ranges: ['10.0.0.0/8'] }, { ip_ranges: ['10.0.0.1'] }));
  assert.ok(lost({ not_after: '2027-01-01T00:00:00Z' }, { not_after: '2026-01-01T00:00:00Z' }));
});

test.run();
