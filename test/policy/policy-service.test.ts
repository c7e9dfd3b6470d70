import * as assert from 'uvu/assert';
import type { PolicyId, SecretPath } from '../../src/contract/names.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { ACME, allow, deny, grant, type House, may, named, OTHER, openHouse, person, refusal } from './house.ts';

const test = suite('policies and bindings');

let house: House;
test.before(async () => {
  house = await openHouse();
});
test.after(() => house.close());

const admin = () => house.asks(person('root'), ['tenant_admin']);
const inAnHour = () => new Date(Date.now() + 3_600_000);

test('a policy is created, read and bound, and each change is in the audit log with the epoch it made', async () => {
  const { value: made } = await house.policies.create(admin(), named('first', allow('app/*'), deny('app/x/**')));
  assert.match(made.id, /^pol_[0-9a-z]{26}$/);
  assert.equal(
    made.warnings.map((warning) => warning.rule_index),
    [1],
  );
  const found = await house.policies.read(admin(), made.id);
  assert.equal(found, made);
  assert.equal(found.rules, [allow('app/*'), deny('app/x/**')]);
  const binding = { identityType: 'user', identityId: 'user:bob', expiresAt: null } as const;
  const { value } = await house.policies.bind(admin(), made.id, binding);
  assert.ok(value.created);
  assert.equal(value.binding.subject, person('bob').subject);
  assert.ok(await may(house.policies, person('bob'), 'app/db'));
  assert.not(await may(house.policies, person('eve'), 'app/db'));
  const [created, bound] = (await house.audited()).filter((row) => row.resource === `policies/${made.id}`);
  assert.is(created?.extra_data.policy_version, 1);
  assert.is(bound?.extra_data.binding_id, value.binding.id);
  assert.is(bound?.extra_data.policy_epoch, (created?.extra_data.policy_epoch as number) + 1);
});

test('the history keeps the first version', async () => {
  const { id } = await grant(house, 'user:history', [allow('h')]);
  const kept = statement('t.versions', 'SELECT version, rules, changed_by FROM policy_versions WHERE policy_id = $1');
  const rows = await house.db.query<{ version: number; rules: unknown; changed_by: string }>(kept, [id]);
  assert.equal(rows, [{ version: 1, rules: [allow('h')], changed_by: 'user:root' }]);
});

test('a name is taken once a tenant', async () => {
  await house.policies.create(admin(), named('twice', allow('a')));
  const { code } = await refusal(house.policies.create(admin(), named('twice', allow('a'))));
  assert.is(code, 'name_taken');
  const elsewhere = house.asks(person('root', { tenantId: OTHER.tenantId }), ['tenant_admin'], OTHER);
  await house.policies.create(elsewhere, named('twice', allow('a')));
});

test("another tenant's policy is not found, and not bound", async () => {
  const { id } = await grant(house, 'user:bob', [allow('b')], { tenant: OTHER });
  assert.is((await refusal(house.policies.read(admin(), id))).code, 'policy_not_found');
  const binding = { identityType: 'user', identityId: 'user:bob', expiresAt: null } as const;
  assert.is((await refusal(house.policies.bind(admin(), id, binding))).code, 'policy_not_found');
  assert.is((await refusal(house.policies.read(admin(), 'pol_0' as PolicyId))).code, 'policy_not_found');
});

test('somebody unknown is not bound', async () => {
  const { id } = await grant(house, 'user:bob', [allow('c')]);
  const binding = { identityType: 'user', identityId: 'user:nobody', expiresAt: null } as const;
  assert.is((await refusal(house.policies.bind(admin(), id, binding))).code, 'identity_not_found');
});

test('a subject of the same name at another issuer, in another tenant or of another kind is somebody else', async () => {
  await grant(house, 'user:sam', [allow('own/sam')]);
  assert.ok(await may(house.policies, person('sam'), 'own/sam'));
  assert.not(await may(house.policies, person('sam', { issuer: 'https://evil.example' }), 'own/sam'));
  assert.not(await may(house.policies, person('sam', { tenantId: OTHER.tenantId }), 'own/sam'));
  assert.not(await may(house.policies, person('SAM'), 'own/sam'));
  const robot = person('sam');
  assert.not(
    await may(house.policies, { ...robot, subject: { ...robot.subject, kind: 'service_account' } }, 'own/sam'),
  );
});

test('a group of the token counts at home, and as a group of its own issuer', async () => {
  await grant(house, 'group:ops', [allow('ops/x')]);
  await grant(house, 'group:ops', [allow('ops/y')], { tenant: OTHER });
  const ops = { groups: ['dev', 'ops'] };
  assert.ok(await may(house.policies, person('gina', ops), 'ops/x'));
  assert.not(await may(house.policies, person('gina'), 'ops/x'));
  assert.not(await may(house.policies, person('gina', { ...ops, issuer: 'https://evil.example' }), 'ops/x'));
  // Away from home: neither the own groups nor those of the house visited.
  assert.not(await may(house.policies, person('gina', ops), 'ops/y', { tenant: OTHER }));
  assert.not(await may(house.policies, person('gina', { ...ops, tenantId: OTHER.tenantId }), 'ops/x'));
  // A user who is called like the group is not the group.
  assert.not(await may(house.policies, person('ops'), 'ops/x'));
});

test('away from home a binding to the immutable subject counts', async () => {
  const { value } = await house.policies.create(
    house.asks(person('root', { tenantId: OTHER.tenantId }), ['tenant_admin'], OTHER),
    named('guests', allow('guest/x')),
  );
  const guest = statement(
    't.guest',
    `INSERT INTO policy_bindings
       (tenant_id, id, policy_id, kind, subject_issuer, subject_tenant, subject_id, display_name, created_by)
     VALUES ('other', 'bnd_guest', $1, 'user', 'https://id.example', 'acme', 'gus', 'user:gus', 'test')`,
  );
  await house.db.query(guest, [value.id]);
  assert.ok(await may(house.replica(), person('gus'), 'guest/x', { tenant: OTHER }));
  assert.not(await may(house.replica(), person('gus', { tenantId: OTHER.tenantId }), 'guest/x', { tenant: OTHER }));
});

test('a binding that expires stops counting at that moment, also for who holds an access already', async () => {
  await grant(house, 'user:tim', [allow('tim/x')], { expiresAt: inAnHour() });
  await grant(house, 'user:tim', [allow('tim/y')]);
  const access = await house.policies.access(person('tim'), ACME, null);
  const reads = (path: string) => access.decide('secret', path as SecretPath, 'read').allowed;
  assert.ok(reads('tim/x') && reads('tim/y'));
  house.clock.laterMs = 3_600_000;
  try {
    assert.not(reads('tim/x'));
    assert.ok(reads('tim/y'));
    assert.not(await may(house.policies, person('tim'), 'tim/x'));
  } finally {
    house.clock.laterMs = 0;
  }
});

test('a binding is made once a subject; made again it gets the new end', async () => {
  const { id } = await grant(house, 'user:pat', [allow('pat')], { expiresAt: inAnHour() });
  const again = { identityType: 'user', identityId: 'user:pat', expiresAt: null } as const;
  const { value } = await house.policies.bind(admin(), id, again);
  assert.not(value.created);
  assert.is(value.binding.expiresAt, null);
  const count = statement('t.count', 'SELECT count(*) AS n FROM policy_bindings WHERE policy_id = $1');
  assert.equal(await house.db.query(count, [id]), [{ n: 1 }]);
  const past = { ...again, expiresAt: new Date(Date.now() - 1) };
  assert.is((await refusal(house.policies.bind(admin(), id, past))).code, 'validation_error');
});

test('a policy that is switched off counts for nothing', async () => {
  const { value } = await house.policies.create(admin(), { ...named('off', allow('off/x')), isActive: false });
  await house.policies.bind(admin(), value.id, { identityType: 'user', identityId: 'user:bob', expiresAt: null });
  assert.not(await may(house.policies, person('bob'), 'off/x'));
});

test('who grants to themselves is audited under its own name, by subject or by group', async () => {
  const { id } = await grant(house, 'user:bob', [allow('self/x')]);
  const self = { identityType: 'user', identityId: 'user:root', expiresAt: null } as const;
  await house.policies.bind(admin(), id, self);
  const member = house.asks(person('root', { groups: ['admins'] }), ['tenant_admin']);
  await house.policies.bind(member, id, { identityType: 'group', identityId: 'group:admins', expiresAt: null });
  const rows = (await house.audited()).filter((row) => row.resource === `policies/${id}`);
  assert.equal(
    rows.map((row) => row.action),
    ['policy_bind', 'policy_bind', 'policy_self_granted', 'policy_self_granted'],
  );
});

test('without a role, one hands out what one holds admin on, and nothing else', async () => {
  const delegate = () => house.asks(person('del'));
  await grant(house, 'user:del', [allow('policies', ['read', 'write'], 'sys'), allow('team/**', ['admin'])]);
  const { value } = await house.policies.create(delegate(), named('team-read', allow('team/db/*')));
  await house.policies.bind(delegate(), value.id, { identityType: 'user', identityId: 'user:new', expiresAt: null });
  assert.ok(await may(house.policies, person('new'), 'team/db/x'));
  const wide = await refusal(house.policies.create(delegate(), named('wide', allow('team/db'), allow('**'))));
  assert.is(wide.code, 'forbidden');
  assert.match(wide.message, /rules\[1\]/);
  const { id } = await grant(house, 'user:bob', [allow('payroll/*')]);
  const self = { identityType: 'user', identityId: 'user:del', expiresAt: null } as const;
  assert.is((await refusal(house.policies.bind(delegate(), id, self))).code, 'forbidden');
  assert.not(await may(house.policies, person('del'), 'payroll/x'));
});

test('without a role and the rule that let the request in gone meanwhile, nothing is created', async () => {
  await grant(house, 'user:late', [allow('late/**', ['admin'])]);
  const made = await refusal(house.policies.create(house.asks(person('late')), named('stale', allow('late/x'))));
  assert.is(made.code, 'forbidden');
});

test('without a role, what one holds for an hour is not handed on for longer', async () => {
  const temp = () => house.asks(person('temp'));
  const end = inAnHour();
  await grant(house, 'user:temp', [allow('policies', ['write'], 'sys')]);
  await grant(house, 'user:temp', [allow('vault/**', ['admin'])], { expiresAt: end });
  const { value } = await house.policies.create(temp(), named('vault', allow('vault/x')));
  const self = { identityType: 'user', identityId: 'user:temp' } as const;
  assert.is((await refusal(house.policies.bind(temp(), value.id, { ...self, expiresAt: null }))).code, 'forbidden');
  const later = { ...self, expiresAt: new Date(end.getTime() + 1) };
  assert.is((await refusal(house.policies.bind(temp(), value.id, later))).code, 'forbidden');
  await house.policies.bind(temp(), value.id, { ...self, expiresAt: end });
});

test('without a role, nobody ends a deny rule sooner', async () => {
  const delegate = () => house.asks(person('dan'));
  await grant(house, 'user:dan', [allow('policies', ['write'], 'sys'), allow('**', ['admin'])]);
  const { id } = await grant(house, 'user:held', [deny('prod/**'), deny('prod')]);
  const held = { identityType: 'user', identityId: 'user:held' } as const;
  assert.is((await refusal(house.policies.bind(delegate(), id, { ...held, expiresAt: inAnHour() }))).code, 'forbidden');
  await house.policies.bind(delegate(), id, { ...held, expiresAt: null });
  await house.policies.bind(admin(), id, { ...held, expiresAt: inAnHour() });
});

test('what cannot be stored leaves nothing behind', async () => {
  const before = await house.audited();
  await refusal(house.policies.create(admin(), named('twice', allow('a'))));
  assert.is((await house.audited()).length, before.length);
});

test('a deny rule that can never apply is refused, an allow rule gets a warning', async () => {
  const { value } = await house.policies.create(admin(), named('upper', allow('App/db')));
  assert.match(value.warnings[0]?.message ?? '', /upper-case/);
  const { code, details } = await refusal(house.policies.create(admin(), named('never', allow('a'), deny('App/db'))));
  assert.is(code, 'invalid_glob');
  assert.equal(details, { rule_index: 1 });
});

test("of a partner's secrets, a policy gives reading and listing only", async () => {
  await house.policies.create(admin(), named('shared', allow('shared/**', ['read', 'list'], 'partner_secret')));
  for (const permission of ['write', 'delete', 'rotate', 'admin'] as const) {
    const { code } = await refusal(
      house.policies.create(admin(), named('shared-w', allow('shared/**', [permission], 'partner_secret'))),
    );
    assert.is(code, 'invalid_policy');
  }
});

test('a tenant has an end to its policies', async () => {
  const fill = statement(
    't.fill',
    `INSERT INTO policies (tenant_id, id, name, scope, rules)
     SELECT 'other', 'pol_fill' || n, 'fill' || n, 'tenant',
       (SELECT jsonb_agg(jsonb_build_object('path_pattern', 'x')) FROM generate_series(1, 1000)) FROM generate_series(1, 20) n`,
  );
  await house.db.query(fill);
  const asking = house.asks(person('root', { tenantId: OTHER.tenantId }), ['tenant_admin'], OTHER);
  const { code, message } = await refusal(house.policies.create(asking, named('one-more', allow('a'))));
  assert.is(code, 'invalid_policy');
  assert.match(message, /20000 are the most/);
});

test.run();
