import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT } from '../../src/contract/exit-codes.ts';
import { holdsRole, isRole, ROLES, type Role, type Subject, subjectKey } from '../../src/contract/principal.ts';
import { hasScope, isScope, SCOPES, type Scope } from '../../src/contract/scopes.ts';

test('a scope is had by name or by admin, and by nothing else', () => {
  for (const needed of SCOPES) {
    for (const held of SCOPES) {
      assert.is(hasScope(new Set([held]), needed), held === needed || held === 'admin', `${held} for ${needed}`);
    }
    assert.not(hasScope(new Set(), needed));
  }
});

test('only the scopes of the list are scopes', () => {
  assert.is(SCOPES.length, 20);
  for (const text of [
    '',
    'Admin',
    'secrets:*',
    'secrets',
    'secrets:read ',
    'secrets:read secrets:write',
    '__proto__',
  ]) {
    assert.not(isScope(text), text);
  }
  assert.ok(isScope('secrets:read' satisfies Scope));
});

test('a stronger role includes the weaker ones, never the other way round', () => {
  for (const [rank, needed] of ROLES.entries()) {
    for (const [held, role] of ROLES.entries()) {
      assert.is(holdsRole(new Set<Role>([role]), needed), held >= rank, `${role} for ${needed}`);
    }
    assert.not(holdsRole(new Set<Role>(), needed));
  }
  for (const text of ['', 'SUPER_ADMIN', 'admin', 'root', null, undefined, ['super_admin'], {}])
    assert.not(isRole(text));
});

test('two subjects share a key only when they are the same one', () => {
  const part = fc.string({ unit: fc.constantFrom('a', ':', '1', '2', '\ud800'), maxLength: 4 });
  const subject = fc.record({
    kind: fc.constantFrom('user', 'service_account', 'group'),
    issuer: part,
    tenantId: part,
    id: part,
  }) as unknown as fc.Arbitrary<Subject>;
  const same = (a: Subject, b: Subject) =>
    a.kind === b.kind && a.issuer === b.issuer && a.tenantId === b.tenantId && a.id === b.id;
  fc.assert(
    fc.property(subject, subject, (a, b) => assert.is(subjectKey(a) === subjectKey(b), same(a, b))),
    { numRuns: 10_000 },
  );
});

test('exit codes keep their numbers', () => {
  assert.equal(EXIT, {
    DONE: 0,
    FAILED: 1,
    NOT_AUTHENTICATED: 2,
    NOT_ALLOWED: 3,
    NOT_FOUND: 4,
    INVALID_INPUT: 5,
    WARNINGS: 6,
    USAGE: 64,
    UNAVAILABLE: 69,
    TRY_AGAIN: 75,
    CONFIGURATION: 78,
  });
});

test.run();
