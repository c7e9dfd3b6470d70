import * as assert from 'uvu/assert';
import type { Tenant } from '../../src/contract/principal.ts';
import type { IdentityService } from '../../src/identity/service.ts';
import { suite } from '../support/suite.ts';
import { partnerId, tenantId } from './fixtures.ts';
import { type House, openHouse } from './house.ts';

const test = suite('roles');
let house: House;
let service: IdentityService;

const place = (tenant: string, partner: string): Tenant => ({
  tenantId: tenantId(tenant),
  partnerId: partnerId(partner),
});
const HOME = place('tnt_a', 'ptn_1');
const SISTER = place('tnt_sister', 'ptn_1');
const FOREIGN = place('tnt_foreign', 'ptn_2');

test.before(async () => {
  house = await openHouse();
  await house.rows("INSERT INTO partners (partner_id) VALUES ('ptn_1')");
  await house.rows("INSERT INTO tenants (tenant_id, partner_id) VALUES ('tnt_a', 'ptn_1')");
});
test.beforeEach(async () => {
  await house.rows('TRUNCATE role_grants');
  service = (await house.replica()).service;
});
test.after(() => house.close());

async function principalOf(claims: Record<string, unknown>) {
  const holder = await service.authenticate(house.issuer.mint(claims));
  return (await service.enter(holder, { prefix: null, header: null })).principal;
}

/** Roles at home, at a sister tenant and at a foreign one. */
async function reach(claims: Record<string, unknown>) {
  const principal = await principalOf(claims);
  const at = async (tenant: Tenant) => [...(await service.effectiveRoles(principal, tenant))].sort().join(' ');
  return [await at(HOME), await at(SISTER), await at(FOREIGN)];
}

function local(role: string, effect: 'grant' | 'revoke', by: Partial<Record<'issuer' | 'kind' | 'sub', string>> = {}) {
  return house.rows(
    `INSERT INTO role_grants (tenant_id, issuer, kind, subject_id, role, effect, created_by)
     VALUES ('tnt_a', $1, $2, $3, $4, $5, 'test')`,
    [by.issuer ?? house.issuer.issuer, by.kind ?? 'user', by.sub ?? 'usr_alice', role, effect],
  );
}

test('nobody has a role by default', async () => {
  assert.equal(await reach({}), ['', '', '']);
});

test('each role reaches as far as it should', async () => {
  assert.equal(await reach({ role: 'tenant_admin' }), ['tenant_admin', '', '']);
  assert.equal(await reach({ role: 'partner_admin' }), ['partner_admin', 'partner_admin', '']);
  assert.equal(await reach({ role: 'super_admin' }), ['super_admin', 'super_admin', 'super_admin']);
});

test('a role may be given here, to a user or a service account', async () => {
  await local('auditor', 'grant');
  await local('tenant_admin', 'grant', { kind: 'service_account', sub: 'robot' });
  assert.equal(await reach({}), ['auditor', '', '']);
  assert.equal(await reach({ sub: 'robot', client_id: 'robot' }), ['tenant_admin', '', '']);
  assert.equal(await reach({ sub: 'robot' }), ['', '', ''], 'a user of that id is somebody else');
});

test('claims and grants add up', async () => {
  await local('partner_admin', 'grant');
  assert.equal(await reach({ role: 'tenant_admin' }), ['partner_admin tenant_admin', 'partner_admin', '']);
});

test('a revocation beats the claim', async () => {
  await local('super_admin', 'revoke');
  assert.equal(await reach({ roles: ['super_admin', 'tenant_admin'] }), ['tenant_admin', '', '']);
});

test('who acts for another has none of their roles, claimed or granted', async () => {
  await local('super_admin', 'grant');
  assert.equal(await reach({ role: 'partner_admin', act: { sub: 'agent' } }), ['', '', '']);
});

test('a grant belongs to one issuer and one id', async () => {
  await local('tenant_admin', 'grant', { issuer: house.issuer.tenant('tnt_a').issuer });
  await local('tenant_admin', 'grant', { sub: 'USR_ALICE' });
  assert.equal(await reach({}), ['', '', '']);
});

test('a role taken away stops counting within a second', async () => {
  await local('tenant_admin', 'grant');
  assert.equal((await reach({}))[0], 'tenant_admin');
  await house.rows('DELETE FROM role_grants');
  house.clock.advance(999);
  assert.equal((await reach({}))[0], 'tenant_admin');
  house.clock.advance(1);
  assert.equal((await reach({}))[0], '');
});

test('a role granted by the house counts at once, is audited once and raises the epoch', async () => {
  const { subject } = await principalOf({});
  const epoch = async () => {
    const [row] = await house.rows<{ epoch: string }>(
      "SELECT subject_epoch AS epoch FROM tenants WHERE tenant_id = 'tnt_a'",
    );
    return Number(row?.epoch);
  };
  const before = await epoch();
  assert.equal((await reach({}))[0], '');
  await service.grantRole(subject, 'tenant_admin', 'test');
  await service.grantRole(subject, 'tenant_admin', 'test');
  assert.equal((await reach({}))[0], 'tenant_admin');
  assert.is(await epoch(), before + 1);
  const entries = await house.audited('role_change');
  assert.is(entries.length, 1);
  assert.equal(entries[0]?.extra_data.sub, 'usr_alice');
});

test.run();
