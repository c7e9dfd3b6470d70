import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { readClaims } from '../../src/identity/claims.ts';
import type { IdentityConfig, TokenHolder } from '../../src/identity/types.ts';
import { suite } from '../support/suite.ts';
import { configFor, tenantId } from './fixtures.ts';

const test = suite('claims');
const ISSUER = 'https://login.example.com';
const NOW = Date.parse('2026-11-23T12:00:00Z');

interface Given {
  readonly claims?: Record<string, unknown>;
  readonly config?: Partial<IdentityConfig>;
  readonly scaiKey?: boolean;
  readonly tenantIssuer?: string;
}

function read({ claims = {}, config = {}, scaiKey = false, tenantIssuer }: Given): TokenHolder {
  const issuer =
    tenantIssuer === undefined
      ? { issuer: ISSUER, tenantId: null }
      : { issuer: `${ISSUER}/tenants/${tenantIssuer}`, tenantId: tenantId(tenantIssuer) };
  const base = { sub: 'usr_1', tenant_id: tenantIssuer ?? 'tnt_a', scope: 'secrets:read' };
  return readClaims(
    { issuer, scaiKey, claims: { ...base, ...claims }, exp: NOW / 1000 + 60 },
    configFor(ISSUER, { trustRoleClaims: false, ...config }),
    NOW,
  );
}

function refused(given: Given): void {
  try {
    read(given);
  } catch (error) {
    assert.instance(error, ApiError);
    assert.is((error as ApiError).code, 'token_invalid');
    return;
  }
  assert.unreachable(`accepted: ${JSON.stringify(given)}`);
}

const identity = (claims: Record<string, unknown>) => read({ claims }).identityId;

test('a user is called by its e-mail address, unless that is said to be unverified', () => {
  assert.is(identity({ email: 'Alice@Example.COM' }), 'user:alice@example.com');
  assert.is(identity({ email: 'alice@example.com', email_verified: true }), 'user:alice@example.com');
  assert.is(identity({ email: 'alice@example.com', email_verified: false }), 'user:usr_1');
  assert.is(identity({}), 'user:usr_1');
  assert.is(identity({ email: null }), 'user:usr_1');
});

test('letters outside ASCII are taken as they are, in NFC, and never folded', () => {
  assert.is(identity({ email: 'J\u00dcRGEN@Example.com' }), 'user:J\u00dcRGEN@example.com');
  assert.is(identity({ email: 'Ju\u0308rgen@EXAMPLE.com' }), 'user:J\u00fcrgen@example.com');
  // The Kelvin sign lower-cases to "k", the long s upper-cases to "S".
  assert.is(identity({ email: '\u212aim@example.com' }), 'user:\u212aim@example.com'.normalize('NFC'));
  assert.is.not(identity({ email: '\u017fam@example.com' }), 'user:sam@example.com');
  assert.is(identity({ email: 'Sam@EX\u00c4MPLE.com' }), 'user:sam@EX\u00c4MPLE.com');
});

test('what is no address names nobody', () => {
  for (const email of ['alice', '@example.com', 'alice@', 'a b@example.com', `${'x'.repeat(249)}@e.com`]) {
    assert.is(identity({ email }), 'user:usr_1');
  }
});

test('only the sibling of the e-mail claim vouches for it', () => {
  const config = configFor(ISSUER);
  const mapped = (email: readonly string[]) => ({ claims: { ...config.claims, email } });
  const byName = read({
    config: mapped(['preferred_username']),
    claims: { preferred_username: 'root@example.com', email: 'me@example.com', email_verified: true },
  });
  assert.is(byName.email, 'root@example.com');
  assert.is(byName.emailVerified, null);
  const nested = read({
    config: mapped(['profile', 'email']),
    claims: { profile: { email: 'me@example.com', email_verified: true } },
  });
  assert.is(nested.emailVerified, true);
});

test('a service account is one by token_type, by its own client id, or by its suffix', () => {
  assert.is(identity({ token_type: 'client_credentials', client_id: 'backup' }), 'sa:backup');
  assert.is(identity({ token_type: 'client_credentials', azp: 'backup' }), 'sa:backup');
  assert.is(identity({ token_type: 'client_credentials', sub: 'backup' }), 'sa:backup');
  assert.is(identity({ sub: 'backup', client_id: 'backup' }), 'sa:backup');
  assert.is(identity({ sub: 'backup', azp: 'backup' }), 'sa:backup');
  assert.is(identity({ sub: 'backup@clients', azp: 'backup' }), 'sa:backup');
  assert.is(identity({ sub: 'backup@clients' }), 'sa:backup');
  assert.is(read({ claims: { sub: 'backup@clients' } }).subjectId, 'backup');
});

test('a user that came through a client is still a user', () => {
  assert.is(identity({ client_id: 'portal', azp: 'portal' }), 'user:usr_1');
  assert.is(identity({ token_type: 'Bearer' }), 'user:usr_1');
  assert.is(identity({ token_type: 'CLIENT_CREDENTIALS', client_id: 'x' }), 'user:usr_1');
  assert.is(identity({ sub: '@clients' }), 'user:@clients');
});

test('a service account has no e-mail address, and no two ids', () => {
  const holder = read({ claims: { sub: 'backup', client_id: 'backup', email: 'a@b.c', email_verified: true } });
  assert.is(holder.email, null);
  assert.is(holder.emailVerified, null);
  refused({ claims: { sub: 'backup@clients', client_id: 'other' } });
  refused({ claims: { sub: 'backup@clients', azp: 'other' } });
});

test('scopes come as words or as a list, and only known ones count', () => {
  const scopes = (scope: unknown) => [...read({ claims: { scope } }).scopes];
  assert.equal(scopes('secrets:read openid admin2 secrets:list'), ['secrets:read', 'secrets:list']);
  assert.equal(scopes(['secrets:read', 'Secrets:Write', 'secrets:write ']), ['secrets:read']);
  assert.equal(scopes('  secrets:read  '), ['secrets:read']);
  assert.equal(scopes(''), []);
  assert.equal(scopes([]), []);
  assert.equal(scopes(null), []);
});

test('a list entry that holds several words is one unknown scope', () => {
  assert.equal([...read({ claims: { scope: ['secrets:read secrets:write'] } }).scopes], []);
});

test('default scopes are for tokens without the claim only', () => {
  const config = { defaultScopes: ['secrets:read'] as const };
  assert.equal([...read({ config, claims: { scope: undefined } }).scopes], ['secrets:read']);
  assert.equal([...read({ config, claims: { scope: '' } }).scopes], []);
  assert.equal([...read({ config, claims: { scope: 'openid' } }).scopes], []);
});

test('scopes of a provider are translated, without the names that every object has', () => {
  const config = { scopeMap: { 'vault.read': ['secrets:read', 'secrets:list'] } as const };
  assert.equal([...read({ config, claims: { scope: 'vault.read' } }).scopes], ['secrets:read', 'secrets:list']);
  const prototypeNames = 'constructor __proto__ toString hasOwnProperty';
  assert.equal([...read({ config, claims: { scope: prototypeNames } }).scopes], []);
});

test('without an audience a token must carry one of our own scopes', () => {
  const config = {
    audience: 'unset',
    defaultScopes: ['secrets:read'],
    scopeMap: { openid: ['secrets:read'] },
  } as const;
  assert.equal([...read({ config, claims: { scope: 'openid secrets:list' } }).scopes].sort(), [
    'secrets:list',
    'secrets:read',
  ]);
  refused({ config, claims: { scope: 'openid' } });
  refused({ config, claims: { scope: '' } });
  refused({ config, claims: { scope: undefined } });
});

const roles = (given: Given) => [...read(given).claimedRoles].sort();

test('role claims count from ScaiKey, or where the operator trusts them', () => {
  const claims = { role: 'tenant_admin', roles: ['partner_admin', 'super_admin', 'auditor', 'admin'] };
  assert.equal(roles({ claims }), []);
  assert.equal(roles({ claims, scaiKey: true }), ['partner_admin', 'super_admin', 'tenant_admin']);
  assert.equal(roles({ claims, config: { trustRoleClaims: true } }), ['partner_admin', 'super_admin', 'tenant_admin']);
  assert.equal(roles({ claims, scaiKey: true, config: { audience: 'any' } }).length, 3);
});

test('without an audience no role claim counts', () => {
  const claims = { role: 'super_admin' };
  assert.equal(roles({ claims, scaiKey: true, config: { audience: 'unset', trustRoleClaims: true } }), []);
});

test('a role is one of three names exactly', () => {
  for (const role of ['Tenant_Admin', 'tenant_admin ', 'tenant-admin', 'auditor', 'SUPER_ADMIN', 'super_admin\u200b']) {
    assert.equal(roles({ claims: { role }, scaiKey: true }), []);
  }
});

test('the issuer of a tenant makes no super_admin', () => {
  const claims = { roles: ['super_admin', 'tenant_admin'] };
  assert.equal(roles({ claims, scaiKey: true, tenantIssuer: 'tnt_a' }), ['tenant_admin']);
});

test('claims are found where the operator says', () => {
  const paths = configFor(ISSUER).claims;
  const holder = read({
    config: {
      trustRoleClaims: true,
      claims: {
        ...paths,
        tenant: ['org', 'id'],
        partner: ['org', 'a/b~c'],
        groups: ['realm', 'groups'],
        roles: [['realm', 'roles']],
        scope: ['scp'],
      },
    },
    claims: {
      org: { id: 'tnt_z', 'a/b~c': 'ptn_z' },
      realm: { groups: ['ops'], roles: ['tenant_admin'] },
      scp: ['secrets:list'],
      role: 'super_admin',
      groups: ['not-these'],
    },
  });
  assert.is(holder.tenantClaim, 'tnt_z');
  assert.is(holder.partnerClaim, 'ptn_z');
  assert.equal(holder.groups, ['ops']);
  assert.equal([...holder.claimedRoles], ['tenant_admin']);
  assert.equal([...holder.scopes], ['secrets:list']);
});

test('a path through the prototype leads nowhere', () => {
  const paths = configFor(ISSUER).claims;
  const holder = read({
    config: { claims: { ...paths, partner: ['constructor', 'name'], tenant: ['__proto__', 'x'] } },
  });
  assert.is(holder.partnerClaim, null);
  assert.is(holder.tenantClaim, null);
});

const mfa = (claims: Record<string, unknown>) => read({ claims }).mfaVerifiedAt;

test('a second factor is known by its time, or by amr with auth_time', () => {
  const at = NOW - 3_600_000;
  assert.is(mfa({ mfa_verified_at: at / 1000 }), at);
  assert.is(mfa({ mfa_verified_at: new Date(at).toISOString() }), at);
  for (const method of ['mfa', 'otp', 'hwk', 'swk', 'sc']) {
    assert.is(mfa({ amr: ['pwd', method], auth_time: at / 1000 }), at);
  }
  assert.is(mfa({ amr: 'otp', auth_time: at / 1000 }), at);
});

test('without proof there was no second factor', () => {
  assert.is(mfa({}), null);
  assert.is(mfa({ amr: ['pwd'], auth_time: NOW / 1000 }), null);
  assert.is(mfa({ amr: ['MFA', 'mfa '], auth_time: NOW / 1000 }), null);
  assert.is(mfa({ amr: ['mfa'] }), null);
  assert.is(mfa({ auth_time: NOW / 1000 }), null);
  assert.is(mfa({ mfa_verified_at: NOW / 1000 + 3600 }), null, 'a time to come proves nothing');
  for (const wrong of ['yesterday', '2026-13-45T00:00:00Z', true, [], {}, 1e300])
    refused({ claims: { mfa_verified_at: wrong } });
});

test('who acts for another is named, and its roles do not matter here', () => {
  assert.is(read({}).onBehalfOf, null);
  assert.is(read({ claims: { act: { sub: 'agent-7' } } }).onBehalfOf, 'agent-7');
  assert.is(read({ claims: { act: { client_id: 'agent-7' } } }).onBehalfOf, 'agent-7');
  assert.is(read({ claims: { act: {} } }).onBehalfOf, 'unnamed');
  for (const act of [null, 'agent-7', ['agent-7'], true, 7, { sub: 7 }]) refused({ claims: { act } });
});

test('a claim of the wrong type makes the token invalid, not the server', () => {
  const wrong: Record<string, unknown[]> = {
    sub: [7, '', ['usr_1'], {}, true, null, 'a\u0000b', 'a\nb', 'x'.repeat(256), '\ud800'],
    email: [7, ['a@b.c'], {}, true, ''],
    email_verified: ['true', 'false', 1, 0, {}, []],
    tenant_id: [7, ['tnt_a'], {}, true, ''],
    partner_id: [7, ['ptn_a'], {}, ''],
    client_id: [7, ['x'], {}],
    azp: [7, ['x'], {}],
    token_type: [7, ['client_credentials'], {}],
    name: [7, ['x'], {}, 'a\u202eb\u0007'],
    groups: [7, {}, true, [7], ['a', null], [['a']], [''], 'a\u0000'],
    role: [7, {}, [7]],
    roles: [7, {}, [{ name: 'super_admin' }]],
    scope: [7, {}, true, [7], [['secrets:read']]],
    amr: [7, {}, [7]],
    auth_time: [true, {}, [], 'x'],
  };
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of values) refused({ claims: { [claim]: value } });
  }
});

test('what a token may carry is bounded', () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `g${i}`);
  assert.is(read({ claims: { groups: many(500) } }).groups.length, 500);
  refused({ claims: { groups: many(501) } });
  refused({ claims: { groups: ['x'.repeat(256)] } });
  refused({ claims: { scope: many(201) } });
  refused({ claims: { scope: many(201).join(' ') } });
  refused({ claims: { roles: many(101) } });
});

test('one group may come without a list', () => {
  assert.equal(read({ claims: { groups: 'ops team' } }).groups, ['ops team']);
});

test.run();
