import * as assert from 'uvu/assert';
import { DEFAULT_PATHS } from '../../src/identity/claims.ts';
import { identitySettings } from '../../src/identity/settings.ts';
import { suite } from '../support/suite.ts';
import { configFor, partnerId, tenantId } from './fixtures.ts';

const test = suite('settings of identity');

const UNSET: Parameters<typeof identitySettings>[0] = {
  SCAIKEY_URL: 'https://login.example.com',
  SCAIKEY_AUDIENCE: undefined,
  SCAIKEY_TRUST_ROLE_CLAIMS: false,
  SCAIKEY_CLAIM_TENANT: undefined,
  SCAIKEY_CLAIM_PARTNER: undefined,
  SCAIKEY_CLAIM_GROUPS: undefined,
  SCAIKEY_CLAIM_ROLES: undefined,
  SCAIKEY_CLAIM_SCOPE: undefined,
  SCAIKEY_CLAIM_EMAIL: undefined,
  SCAIKEY_CLAIM_MFA: undefined,
  SCAIKEY_SCOPE_MAP: undefined,
  SCAIKEY_DEFAULT_SCOPES: undefined,
  DEFAULT_TENANT_ID: undefined,
  DEFAULT_PARTNER_ID: undefined,
  TENANT_AUTOCREATE: false,
  TENANT_AUTOCREATE_MAX: 100,
  BOOTSTRAP_SUPER_ADMIN: undefined,
  BOOTSTRAP_SUPER_ADMIN_TENANT: undefined,
};

test('what is not set grants nothing', () => {
  assert.equal(
    identitySettings(UNSET),
    configFor('https://login.example.com', { audience: 'unset', trustRoleClaims: false }),
  );
});

test('any audience is accepted by name only', () => {
  const audience = (names: string[]) => identitySettings({ ...UNSET, SCAIKEY_AUDIENCE: names }).audience;
  assert.equal(audience(['a', 'b']), ['a', 'b']);
  assert.is(audience(['*']), 'any');
  assert.is(audience([]), 'unset');
});

test('each claim may be moved by itself', () => {
  const { claims } = identitySettings({
    ...UNSET,
    SCAIKEY_CLAIM_ROLES: ['realm', 'roles'],
    SCAIKEY_CLAIM_EMAIL: ['mail'],
  });
  assert.equal(claims, { ...DEFAULT_PATHS, roles: [['realm', 'roles']], email: ['mail'] });
});

test('automatic tenants and the first administrator are passed on', () => {
  const settings = identitySettings({
    ...UNSET,
    TENANT_AUTOCREATE: true,
    DEFAULT_PARTNER_ID: partnerId('ptn_main'),
    BOOTSTRAP_SUPER_ADMIN: { kind: 'sub', value: 'usr_root' },
    BOOTSTRAP_SUPER_ADMIN_TENANT: tenantId('tnt_main'),
  });
  assert.is(settings.autocreateMax, 100);
  assert.is(settings.defaultPartnerId, 'ptn_main');
  assert.equal(settings.firstSuperAdmin, { kind: 'sub', value: 'usr_root', tenantId: tenantId('tnt_main') });
});

test.run();
