import * as assert from 'uvu/assert';
import { systemDraft } from '../../src/audit/service.ts';
import type { IdentityConfig } from '../../src/identity/service.ts';
import { suite } from '../support/suite.ts';
import { partnerId, refusal, refusalCode, tenantId } from './fixtures.ts';
import { type House, openHouse, type Replica } from './house.ts';

const test = suite('how tenants come to exist');
let house: House;

test.before(async () => {
  house = await openHouse();
});
test.beforeEach(() => house.clean());
test.after(() => house.close());

async function enter({ service }: Replica, claims: Record<string, unknown>) {
  return service.enter(await service.authenticate(house.issuer.mint(claims)), { prefix: null, header: null });
}

const autocreate = (max: number): Partial<IdentityConfig> => ({
  autocreateMax: max,
  defaultPartnerId: partnerId('ptn_main'),
});

const tenants = () =>
  house.rows<{ tenant_id: string; partner_id: string }>('SELECT tenant_id, partner_id FROM tenants');

async function create({ service }: Replica, tenant: string, partner: string) {
  const draft = systemDraft(house.clock, { action: 'tenant_created' });
  return (await service.createTenant(draft, tenantId(tenant), partnerId(partner))).value;
}

test('unless asked for, a token creates nothing', async () => {
  assert.is(await refusalCode(enter(await house.replica(), {})), 'tenant_access_denied');
  assert.is(await refusalCode(enter(await house.replica({ autocreateMax: 100 }), {})), 'tenant_access_denied');
  assert.equal(await tenants(), []);
});

test('with TENANT_AUTOCREATE the tenant appears under the default partner, audited', async () => {
  const replica = await house.replica(autocreate(100));
  const { tenant } = await enter(replica, {});
  assert.equal(tenant, { tenantId: 'tnt_a', partnerId: 'ptn_main' });
  await enter(replica, {});
  assert.equal(await tenants(), [{ tenant_id: 'tnt_a', partner_id: 'ptn_main' }]);
  const [entry, ...others] = await house.audited('tenant_created');
  assert.is(others.length, 0);
  assert.is(entry?.tenant_id, 'tnt_a');
  assert.is(entry?.partner_id, 'ptn_main');
  assert.is(entry?.resource, 'tenants/tnt_a');
  assert.equal(entry?.extra_data, { by: 'token' });
});

test('the partner is never that of a claim', async () => {
  const replica = await house.replica(autocreate(100));
  assert.is(await refusalCode(enter(replica, { partner_id: 'ptn_evil' })), 'tenant_access_denied');
  assert.equal(await house.rows("SELECT 1 FROM partners WHERE partner_id = 'ptn_evil'"), []);
});

test('at most TENANT_AUTOCREATE_MAX tenants come to exist', async () => {
  const replica = await house.replica(autocreate(3));
  for (const id of ['tnt_1', 'tnt_2', 'tnt_3']) await enter(replica, { tenant_id: id });
  for (const id of ['tnt_4', 'tnt_5']) {
    assert.is(await refusalCode(enter(replica, { tenant_id: id })), 'tenant_access_denied');
    house.clock.advance(1_000);
  }
  await enter(replica, { tenant_id: 'tnt_2' });
  assert.is((await tenants()).length, 3);
  assert.is((await house.audited('tenant_created')).length, 3);
});

test('the limit holds, and each tenant is made once, when replicas race', async () => {
  const replicas = await Promise.all([1, 2, 3].map(() => house.replica(autocreate(5))));
  const attempts = replicas.flatMap((replica) =>
    Array.from({ length: 8 }, (_, i) =>
      enter(replica, { tenant_id: `tnt_${i}` }).then(
        () => 'in',
        () => 'out',
      ),
    ),
  );
  const outcomes = await Promise.all(attempts);
  assert.is((await tenants()).length, 5);
  assert.is((await house.audited('tenant_created')).length, 5);
  assert.ok(outcomes.filter((outcome) => outcome === 'in').length >= 5);
});

test('the same new tenant at two replicas at once is one tenant, and both callers are in', async () => {
  const replicas = await Promise.all([1, 2, 3].map(() => house.replica(autocreate(100))));
  const entered = await Promise.all(replicas.flatMap((replica) => [enter(replica, {}), enter(replica, {})]));
  for (const { tenant } of entered) assert.is(tenant.tenantId, 'tnt_a');
  assert.is((await tenants()).length, 1);
  assert.is((await house.audited('tenant_created')).length, 1);
});

test('a refused creation leaves no trace', async () => {
  const replica = await house.replica(autocreate(1));
  await enter(replica, { tenant_id: 'tnt_1' });
  await refusal(enter(replica, { tenant_id: 'tnt_2' }));
  assert.is((await house.audited('tenant_created')).length, 1);
});

test('the tenant of the configuration is made at the start, once and audited', async () => {
  const config = { defaultTenantId: tenantId('tnt_main'), defaultPartnerId: partnerId('ptn_main') };
  const replica = await house.replica(config);
  await replica.service.ensureDefaultTenant();
  await replica.service.ensureDefaultTenant();
  await (await house.replica(config)).service.ensureDefaultTenant();
  assert.equal(await tenants(), [{ tenant_id: 'tnt_main', partner_id: 'ptn_main' }]);
  assert.equal(
    (await house.audited('tenant_created')).map((entry) => entry.extra_data.by),
    ['configuration'],
  );
});

test('a configuration that moves a tenant is refused', async () => {
  await create(await house.replica(), 'tnt_main', 'ptn_1');
  const config = { defaultTenantId: tenantId('tnt_main'), defaultPartnerId: partnerId('ptn_2') };
  const { service } = await house.replica(config);
  const error = await service.ensureDefaultTenant().then(
    () => null,
    (thrown: Error) => thrown,
  );
  assert.match(error?.message ?? '', /tnt_main belongs to partner ptn_1, not to DEFAULT_PARTNER_ID ptn_2/);
});

test('without a configured tenant nothing is made at the start', async () => {
  await (await house.replica({ defaultPartnerId: partnerId('ptn_main') })).service.ensureDefaultTenant();
  assert.equal(await tenants(), []);
});

test('an administrator makes a tenant, and its partner with it', async () => {
  const replica = await house.replica();
  assert.equal(await create(replica, 'tnt_a', 'ptn_1'), { tenantId: 'tnt_a', partnerId: 'ptn_1', created: true });
  assert.equal(await create(replica, 'tnt_a', 'ptn_1'), { tenantId: 'tnt_a', partnerId: 'ptn_1', created: false });
  assert.is((await enter(replica, {})).tenant.partnerId, 'ptn_1');
  const entries = await house.audited('tenant_created');
  assert.equal(
    entries.map(({ resource, extra_data }) => [resource, extra_data.created]),
    [
      ['tenants/tnt_a', true],
      ['tenants/tnt_a', false],
    ],
  );
});

test('a tenant is never moved to another partner', async () => {
  const replica = await house.replica();
  await create(replica, 'tnt_a', 'ptn_1');
  const error = await refusal(create(replica, 'tnt_a', 'ptn_2'));
  assert.is(error.code, 'name_taken');
  assert.not.match(error.message, /ptn_1/);
  assert.equal(await house.rows("SELECT 1 FROM partners WHERE partner_id = 'ptn_2'"), []);
  assert.is((await house.audited('tenant_created')).length, 1);
});

test('two administrators who make one tenant under two partners: one of them does', async () => {
  const replicas = await Promise.all([house.replica(), house.replica()]);
  const outcomes = await Promise.all(
    replicas.map((replica, i) =>
      create(replica, 'tnt_a', `ptn_${i}`).then(
        () => 'made',
        (error) => error.code,
      ),
    ),
  );
  assert.equal(outcomes.toSorted(), ['made', 'name_taken']);
  assert.is((await tenants()).length, 1);
});

test.run();
