import * as assert from 'uvu/assert';
import type { IdentityConfig, IdentityService, WantedTenant } from '../../src/identity/service.ts';
import { suite } from '../support/suite.ts';
import { partnerId, refusal, refusalCode, tenantId } from './fixtures.ts';
import { type House, openHouse } from './house.ts';

const test = suite('choosing the tenant');
let house: House;
let service: IdentityService;

test.before(async () => {
  house = await openHouse();
  service = (await house.replica()).service;
  await house.rows("INSERT INTO partners (partner_id) VALUES ('ptn_1'), ('ptn_2')");
  await house.rows(`INSERT INTO tenants (tenant_id, partner_id)
    VALUES ('tnt_a', 'ptn_1'), ('tnt_sister', 'ptn_1'), ('tnt_foreign', 'ptn_2')`);
});
test.after(() => house.close());

const NOTHING: WantedTenant = { prefix: null, header: null };
const header = (name: string): WantedTenant => ({ prefix: null, header: name });
const prefix = (name: string): WantedTenant => ({ prefix: name, header: null });

async function enter(claims: Record<string, unknown>, wanted = NOTHING, by: IdentityService = service) {
  return by.enter(await by.authenticate(house.issuer.mint(claims)), wanted);
}

test("without being asked the tenant is the token's own", async () => {
  const { principal, tenant } = await enter({});
  assert.equal(tenant, { tenantId: 'tnt_a', partnerId: 'ptn_1' });
  assert.is(principal.tenantId, 'tnt_a');
  assert.is(principal.partnerId, 'ptn_1');
  assert.equal(principal.subject, { kind: 'user', issuer: house.issuer.issuer, tenantId: 'tnt_a', id: 'usr_alice' });
});

test("naming one's own tenant is always allowed", async () => {
  for (const wanted of [header('tnt_a'), prefix('tnt_a'), { prefix: 'tnt_a', header: 'tnt_a' }]) {
    assert.is((await enter({}, wanted)).tenant.tenantId, 'tnt_a');
  }
});

test('prefix and header must agree', async () => {
  for (const role of [undefined, 'super_admin']) {
    const disagreeing = { prefix: 'tnt_a', header: 'tnt_sister' };
    assert.is(await refusalCode(enter({ role }, disagreeing)), 'invalid_request');
  }
});

interface Case {
  readonly role: string | undefined;
  readonly sister: string;
  readonly foreign: string;
  readonly unknown: string;
}

const MATRIX: Case[] = [
  { role: undefined, sister: 'tenant_access_denied', foreign: 'tenant_access_denied', unknown: 'tenant_access_denied' },
  {
    role: 'tenant_admin',
    sister: 'tenant_access_denied',
    foreign: 'tenant_access_denied',
    unknown: 'tenant_access_denied',
  },
  { role: 'partner_admin', sister: 'entered', foreign: 'tenant_access_denied', unknown: 'tenant_access_denied' },
  { role: 'super_admin', sister: 'entered', foreign: 'entered', unknown: 'tenant_not_found' },
];

async function outcome(claims: Record<string, unknown>, wanted: WantedTenant): Promise<string> {
  try {
    const { tenant } = await enter(claims, wanted);
    assert.is(tenant.tenantId, wanted.prefix ?? wanted.header);
    return 'entered';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

for (const { role, sister, foreign, unknown } of MATRIX) {
  test(`another tenant, as ${role ?? 'nobody in particular'}`, async () => {
    for (const by of [header, prefix]) {
      assert.is(await outcome({ role }, by('tnt_sister')), sister);
      assert.is(await outcome({ role }, by('tnt_foreign')), foreign);
      for (const name of ['tnt_none', 'TNT_A', '', ' tnt_a', '../tnt_a', '_system', "'; drop"]) {
        assert.is(await outcome({ role }, by(name)), unknown, name);
      }
    }
  });
}

test('a foreign and an unknown tenant look the same to a partner administrator', async () => {
  const [foreign, unknown] = await Promise.all(
    ['tnt_foreign', 'tnt_none'].map((name) => refusal(enter({ role: 'partner_admin' }, header(name)))),
  );
  assert.is(foreign?.message, unknown?.message);
  assert.equal(foreign?.details, unknown?.details);
});

test('somebody who acts for an administrator goes nowhere', async () => {
  for (const role of ['partner_admin', 'super_admin']) {
    assert.is(await outcome({ role, act: { sub: 'agent' } }, header('tnt_sister')), 'tenant_access_denied');
  }
});

test('a token without a tenant is refused, and the answer names the claim', async () => {
  const error = await refusal(enter({ tenant_id: undefined }));
  assert.is(error.code, 'tenant_access_denied');
  assert.match(error.message, /"tenant_id"/);
  const { service: mapped } = await house.replica({ claims: { ...DEFAULTS.claims, tenant: ['org', 'id'] } });
  assert.match((await refusal(enter({}, NOTHING, mapped))).message, /"org\/id"/);
});

test('a token of an unknown tenant is refused', async () => {
  for (const tenant_id of ['tnt_none', 'tnt a', '_system', 'TNT_A', '../tnt_a']) {
    assert.is(await refusalCode(enter({ tenant_id })), 'tenant_access_denied');
  }
});

test('a token that puts a tenant under another partner is refused, alarmed, and moves nothing', async () => {
  const { service: own, lines } = await house.replica();
  assert.is((await enter({ partner_id: 'ptn_1' }, NOTHING, own)).tenant.partnerId, 'ptn_1');
  assert.is(await refusalCode(enter({ partner_id: 'ptn_2' }, NOTHING, own)), 'tenant_access_denied');
  assert.is(lines.filter(({ level }) => level === 'warn').length, 1);
  assert.equal(await house.rows("SELECT partner_id FROM tenants WHERE tenant_id = 'tnt_a'"), [{ partner_id: 'ptn_1' }]);
});

test('the default tenant is the home of tokens that name none', async () => {
  const { service: own } = await house.replica({
    defaultTenantId: tenantId('tnt_sister'),
    defaultPartnerId: partnerId('ptn_1'),
  });
  assert.is((await enter({ tenant_id: undefined }, NOTHING, own)).tenant.tenantId, 'tnt_sister');
  assert.is((await enter({ tenant_id: 'tnt_a' }, NOTHING, own)).tenant.tenantId, 'tnt_a');
  const elsewhere = enter({ tenant_id: undefined, partner_id: 'ptn_2' }, NOTHING, own);
  assert.is(await refusalCode(elsewhere), 'tenant_access_denied');
});

test('a tenant made elsewhere is seen within a second', async () => {
  assert.is(await outcome({ role: 'super_admin' }, header('tnt_new')), 'tenant_not_found');
  await house.rows("INSERT INTO tenants (tenant_id, partner_id) VALUES ('tnt_new', 'ptn_1')");
  assert.is(await outcome({ role: 'super_admin' }, header('tnt_new')), 'tenant_not_found');
  house.clock.advance(1_000);
  assert.is(await outcome({ role: 'super_admin' }, header('tnt_new')), 'entered');
});

test('bearer tokens that are none, or cannot be taken yet, say what to do', async () => {
  assert.is(await refusalCode(service.authenticate(null)), 'authentication_required');
  assert.is(await refusalCode(service.authenticate('')), 'authentication_required');
  const error = await refusal(service.authenticate('skt_abcdefghijkl'));
  assert.is(error.code, 'token_invalid');
  assert.match(error.message, /personal access tokens.*JWT/);
  assert.not.match(error.message, /abcdefghijkl/);
});

test('a verified token is remembered for a minute, and no longer than it lives', async () => {
  const { service: own } = await house.replica();
  const seconds = Math.floor(house.clock.nowMs() / 1000);
  const [long, short] = [house.issuer.mint({ exp: seconds + 3600 }), house.issuer.mint({ exp: seconds + 10 })];
  const [first, brief] = [await own.authenticate(long), await own.authenticate(short)];
  assert.is(await own.authenticate(long), first);
  house.clock.advance(11_000);
  assert.is(await own.authenticate(long), first);
  assert.is.not(await own.authenticate(short), brief);
  house.clock.advance(49_000);
  assert.is.not(await own.authenticate(long), first);
});

const DEFAULTS: Pick<IdentityConfig, 'claims'> = {
  claims: {
    tenant: ['tenant_id'],
    partner: ['partner_id'],
    groups: ['groups'],
    roles: [['role']],
    scope: ['scope'],
    email: ['email'],
    mfa: ['mfa_verified_at'],
  },
};

test.run();
