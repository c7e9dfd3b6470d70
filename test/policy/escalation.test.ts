import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { Permission } from '../../src/contract/permissions.ts';
import { Findings } from '../../src/policy/conditions/findings.ts';
import { refuseEscalation } from '../../src/policy/escalation.ts';
import { parseRules, type Rule, type RuleText, readStoredRule } from '../../src/policy/rules.ts';
import { suite } from '../support/suite.ts';
import { VALUES } from './patterns.ts';

// CVE-2024-9180: nobody edits what their own rights are computed from, unless they already hold the result.
const test = suite('no escalation by policy');

const rule = (effect: 'allow' | 'deny', path_pattern: string, permissions: Permission[], kind = 'secret') =>
  ({ path_pattern, permissions, effect, kind }) as RuleText;
const rules = (...texts: RuleText[]) => parseRules(texts).rules;
const findings = new Findings({ sourceIp: '10.0.0.1', mfaVerifiedAt: null, nowMs: 0 });
const holding = (held: readonly Rule[]) => ({ allowing: held, denying: held, findings, values: VALUES });
const ADMIN_OF_APP = rule('allow', 'app/**', ['admin']);

function refused(given: readonly RuleText[], held: readonly RuleText[], maxSteps?: number): string | null {
  try {
    refuseEscalation(rules(...given), holding(rules(...held)), maxSteps);
    return null;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'forbidden') return error.message;
    throw error;
  }
}

test('what lies within a rule with admin may be given, with any permission', () => {
  assert.is(refused([rule('allow', 'app/db/*', ['read', 'admin'])], [ADMIN_OF_APP]), null);
  assert.is(refused([rule('allow', 'app/**', ['write'])], [ADMIN_OF_APP]), null);
  assert.is(refused([rule('deny', '**', ['admin'])], [ADMIN_OF_APP]), null);
});

test('the refusal names the rule that is not covered', () => {
  const given = [rule('allow', 'app/a', ['read']), rule('deny', 'x', ['read']), rule('allow', 'app', ['read'])];
  assert.match(refused(given, [ADMIN_OF_APP]) ?? '', /^rules\[2\] gives more than you may hand out/);
});

test('holding every permission but admin is not enough', () => {
  const most = rule('allow', 'app/**', ['read', 'write', 'delete', 'list', 'rotate']);
  assert.match(refused([rule('allow', 'app/a', ['read'])], [most]) ?? '', /admin/);
});

test('admin of one kind gives nothing of another', () => {
  assert.ok(refused([rule('allow', 'app/a', ['read'], 'pki')], [ADMIN_OF_APP]));
  assert.ok(refused([rule('allow', 'app/a', ['read'])], [rule('allow', '**', ['admin'], 'sys')]));
});

test('what a deny rule takes from the caller cannot be given to others', () => {
  const held = [ADMIN_OF_APP, rule('deny', '**/prod', ['read'])];
  assert.match(refused([rule('allow', 'app/**', ['read'])], held) ?? '', /rules\[0\].*deny rule/);
  assert.ok(refused([rule('allow', 'app/x/prod', ['admin'])], held));
  assert.is(refused([rule('allow', 'app/**', ['write'])], held), null);
  assert.is(refused([rule('allow', 'app/x/test', ['read'])], held), null);
});

test('a template that stands for oneself is not for others', () => {
  const home = rule('allow', 'home/{{identity.key}}/**', ['admin']);
  assert.is(refused([rule('allow', 'home/ab/notes', ['read'])], [home]), null);
  assert.ok(refused([rule('allow', 'home/{{identity.key}}/notes', ['read'])], [home]));
  assert.ok(refused([rule('allow', 'home/other/notes', ['read'])], [home]));
});

test('a stored rule that this release cannot read is not handed on', () => {
  const unread = readStoredRule({ ...rule('allow', 'app/a', ['read']), conditions: {} });
  assert.throws(() => refuseEscalation([unread], holding(rules(rule('allow', '**', ['admin'])))), /rules\[0\]/);
});

test('a policy too large to be compared is refused, not waved through', () => {
  const many = Array.from({ length: 100 }, (_, at) => rule('allow', `app/${at}`, ['read']));
  const held = Array.from({ length: 100 }, (_, at) => rule('allow', `app/${at}/**`, ['admin']));
  assert.match(refused(many, [...held, ADMIN_OF_APP], 1000) ?? '', /too large/);
  assert.is(refused(many, [...held, ADMIN_OF_APP]), null);
});

test.run();
