import * as assert from 'uvu/assert';
import type { FirstSuperAdminRule } from '../../src/identity/types.ts';
import { suite } from '../support/suite.ts';
import { tenantId } from './fixtures.ts';
import { type House, openHouse, type Replica } from './house.ts';

const test = suite('the first super_admin');
let house: House;

const ALICE: FirstSuperAdminRule = { kind: 'email', value: 'alice@example.com', tenantId: null };

test.before(async () => {
  house = await openHouse();
});
test.beforeEach(async () => {
  await house.clean();
  await house.rows("INSERT INTO partners (partner_id) VALUES ('ptn_1')");
  await house.rows("INSERT INTO tenants (tenant_id, partner_id) VALUES ('tnt_a', 'ptn_1'), ('tnt_b', 'ptn_1')");
});
test.after(() => house.close());

/** Comes in with a token and tells which roles that gives, far from home. */
async function rolesOf({ service }: Replica, token: string): Promise<string[]> {
  const { principal } = await service.enter(await service.authenticate(token), { prefix: null, header: null });
  return [...(await service.effectiveRoles(principal, { ...FAR }))];
}

const FAR = { tenantId: tenantId('tnt_far'), partnerId: 'ptn_far' as never };
const superAdmins = () => house.rows("SELECT 1 FROM role_grants WHERE role = 'super_admin' AND effect = 'grant'");

async function promoted(rule: FirstSuperAdminRule, token: string): Promise<Replica> {
  const replica = await house.replica({ firstSuperAdmin: rule });
  assert.equal(await rolesOf(replica, token), ['super_admin']);
  assert.is((await superAdmins()).length, 1);
  return replica;
}

async function passedOver(rule: FirstSuperAdminRule, token: string, why: RegExp | null): Promise<void> {
  const replica = await house.replica({ firstSuperAdmin: rule });
  assert.equal(await rolesOf(replica, token), []);
  await rolesOf(replica, token);
  assert.equal(await superAdmins(), []);
  const warnings = replica.lines.filter(({ message }) => message.includes('BOOTSTRAP_SUPER_ADMIN'));
  assert.is(warnings.length, why === null ? 0 : 1, 'warned once');
  if (why !== null) assert.match(String(warnings[0]?.fields.reason), why);
}

test('the one with the configured, verified address is promoted at the first request', async () => {
  await promoted(ALICE, house.issuer.mint());
  const [entry, ...others] = await house.audited('role_change');
  assert.is(others.length, 0);
  assert.is(entry?.tenant_id, 'tnt_a');
  assert.is(entry?.identity_id, 'user:alice@example.com');
  assert.is(entry?.extra_data.iss, house.issuer.issuer);
  assert.is(entry?.extra_data.sub, 'usr_alice');
  assert.is(entry?.extra_data.role, 'super_admin');
  const [tenant] = await house.rows<{ subject_epoch: number }>(
    "SELECT subject_epoch FROM tenants WHERE tenant_id = 'tnt_a'",
  );
  assert.is(Number(tenant?.subject_epoch), 2);
});

test('an address is compared in lower case', async () => {
  await promoted(ALICE, house.issuer.mint({ email: 'ALICE@Example.com' }));
});

test('a subject may be named by its id, without any address', async () => {
  await promoted(
    { kind: 'sub', value: 'usr_alice', tenantId: null },
    house.issuer.mint({ email: undefined, email_verified: undefined }),
  );
});

test('an id is compared exactly', async () => {
  await passedOver({ kind: 'sub', value: 'usr_alice', tenantId: null }, house.issuer.mint({ sub: 'USR_ALICE' }), null);
});

test('an unverified address is not enough', async () => {
  await passedOver(ALICE, house.issuer.mint({ email_verified: false }), /email_verified/);
  await passedOver(ALICE, house.issuer.mint({ email_verified: undefined }), /email_verified/);
});

test('an address that only looks alike is not the one', async () => {
  for (const email of [
    '\u0430lice@example.com',
    'alice@ex\u00e4mple.com',
    'alice@example.com.evil.org',
    'al\u0131ce@example.com',
  ]) {
    await passedOver(ALICE, house.issuer.mint({ email }), null);
  }
  const kelvin = { kind: 'email', value: 'kim@example.com', tenantId: null } as const;
  await passedOver(kelvin, house.issuer.mint({ email: '\u212aim@example.com' }), null);
});

test('a name is no address', async () => {
  await passedOver(ALICE, house.issuer.mint({ sub: 'alice@example.com', email: undefined }), null);
});

test('a service account is never promoted', async () => {
  const rule = { kind: 'sub', value: 'robot', tenantId: null } as const;
  await passedOver(rule, house.issuer.mint({ sub: 'robot', client_id: 'robot' }), /service account/);
});

test('nobody is promoted through somebody who acts for them', async () => {
  await passedOver(ALICE, house.issuer.mint({ act: { sub: 'agent' } }), /act/);
});

test("a tenant's own issuer promotes only in the tenant that the operator names", async () => {
  const own = house.issuer.tenant('tnt_b');
  const claims = { tenant_id: 'tnt_b', email: 'alice@example.com' };
  await passedOver(ALICE, own.mint(claims), /issuer of a tenant/);
  await passedOver({ ...ALICE, tenantId: tenantId('tnt_a') }, own.mint(claims), /another tenant/);
  await promoted({ ...ALICE, tenantId: tenantId('tnt_b') }, own.mint(claims));
});

test('where the operator names a tenant, the same address in another one is not the one', async () => {
  await passedOver({ ...ALICE, tenantId: tenantId('tnt_b') }, house.issuer.mint(), /another tenant/);
});

test('it happens once in the life of the database, whatever the variable says later', async () => {
  await promoted(ALICE, house.issuer.mint());
  const bob = house.issuer.mint({ sub: 'usr_bob', email: 'bob@example.com' });
  const later = await house.replica({ firstSuperAdmin: { ...ALICE, value: 'bob@example.com' } });
  assert.equal(await rolesOf(later, bob), []);
  const [row] = await house.rows<{ subject_id: string }>('SELECT subject_id FROM first_super_admin');
  assert.is(row?.subject_id, 'usr_alice');
});

test('not even when the first one has lost the role', async () => {
  await promoted(ALICE, house.issuer.mint());
  await house.rows('DELETE FROM role_grants');
  const again = await house.replica({ firstSuperAdmin: ALICE });
  assert.equal(await rolesOf(again, house.issuer.mint()), []);
  assert.is((await house.audited('role_change')).length, 1);
});

test('a later holder of the address inherits nothing', async () => {
  const replica = await promoted(ALICE, house.issuer.mint());
  assert.equal(await rolesOf(replica, house.issuer.mint({ sub: 'usr_other' })), []);
  assert.equal(await rolesOf(replica, house.issuer.tenant('tnt_a').mint()), []);
});

test('replicas that race promote one, once', async () => {
  const replicas = await Promise.all([1, 2, 3].map(() => house.replica({ firstSuperAdmin: ALICE })));
  const tokens = ['usr_1', 'usr_2', 'usr_3', 'usr_4'].map((sub) => house.issuer.mint({ sub }));
  const outcomes = await Promise.all(replicas.flatMap((replica) => tokens.map((token) => rolesOf(replica, token))));
  assert.ok(outcomes.some((roles) => roles.includes('super_admin')));
  assert.is((await superAdmins()).length, 1);
  assert.is((await house.audited('role_change')).length, 1);
});

test('without the variable nobody is promoted', async () => {
  assert.equal(await rolesOf(await house.replica(), house.issuer.mint()), []);
});

test('a super_admin made in another way was the first, too', async () => {
  const replica = await house.replica();
  const subject = { kind: 'user', issuer: house.issuer.issuer, tenantId: tenantId('tnt_a'), id: 'usr_root' } as const;
  await replica.service.grantRole(subject, 'super_admin', 'test');
  const later = await house.replica({ firstSuperAdmin: ALICE });
  assert.equal(await rolesOf(later, house.issuer.mint()), []);
});

test.run();
