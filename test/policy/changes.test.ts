import * as assert from 'uvu/assert';
import type { BindingId, PolicyId, PolicyName } from '../../src/contract/names.ts';
import type { RuleText } from '../../src/policy/rules.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { allow, auditedOf, deny, grant, type House, may, named, OTHER, openHouse, person, refusal } from './house.ts';

const test = suite('changes of policies');

let house: House;
test.before(async () => {
  house = await openHouse();
});
test.after(() => house.close());

const admin = () => house.asks(person('root'), ['tenant_admin']);
const nameOf = (name: string) => name as PolicyName;
const epoch = async () => {
  const text = "SELECT policy_epoch AS epoch FROM tenants WHERE tenant_id = 'acme'";
  const [row] = await house.db.query<{ epoch: number }>(statement('t.epoch', text));
  return row?.epoch ?? 0;
};
const create = async (name: string, ...rules: Parameters<typeof named>[1][]) =>
  (await house.policies.create(admin(), named(name, ...rules))).value;
const bind = async (id: PolicyId, who: string, expiresAt: Date | null = null) =>
  (await house.policies.bind(admin(), id, { identityType: 'user', identityId: `user:${who}`, expiresAt })).value
    .binding;
const expire = (id: BindingId) =>
  house.db.query(
    statement('t.expire', "UPDATE policy_bindings SET expires_at = now() - interval '1 s' WHERE id = $1"),
    [id],
  );

test('a replacement counts at once, is a version of its own, and is in the audit log', async () => {
  const { id, createdAt } = await create('put', allow('put/a'));
  await bind(id, 'pia');
  const before = await epoch();
  const { value } = await house.policies.update(admin(), id, { ...named('put-2', allow('put/b')) }, null);
  assert.is(value.version, 2);
  assert.is(value.name, 'put-2');
  assert.equal(value.createdAt, createdAt);
  assert.ok(value.updatedAt > createdAt);
  assert.equal(await house.policies.read(admin(), id), value);
  assert.not(await may(house.policies, person('pia'), 'put/a'));
  assert.ok(await may(house.policies, person('pia'), 'put/b'));
  assert.is(await epoch(), before + 1);
  const entry = (await auditedOf(house, id)).at(-1);
  assert.equal(entry?.extra_data, {
    policy_name: 'put-2',
    policy_version: 2,
    policy_epoch: before + 1,
    change: 'updated',
    previous_version: 1,
    previous_name: 'put',
  });
});

test('a patch changes what it names, and rules as a whole', async () => {
  const { id } = await create('patch', allow('patch/a'), deny('patch/b'));
  const described = (await house.policies.update(admin(), id, { description: 'new' }, null)).value;
  assert.equal(described.rules, [allow('patch/a'), deny('patch/b')]);
  assert.is(described.name, 'patch');
  const ruled = (await house.policies.update(admin(), id, { rules: [allow('patch/c')] }, null)).value;
  assert.equal(ruled.rules, [allow('patch/c')]);
  assert.is(ruled.description, 'new');
  const off = (await house.policies.update(admin(), id, { isActive: false }, null)).value;
  assert.equal([off.isActive, off.version], [false, 4]);
});

test('a policy that is switched off counts for nobody until it is switched on', async () => {
  const { id } = await create('switch', allow('switch/a'));
  await bind(id, 'sue');
  for (const isActive of [false, true]) {
    await house.policies.update(admin(), id, { isActive }, null);
    assert.is(await may(house.policies, person('sue'), 'switch/a'), isActive);
  }
});

test('who has seen another version changes nothing, and learns the version that is there', async () => {
  const { id } = await create('seen', allow('seen/a'));
  await house.policies.update(admin(), id, { description: 'by somebody else' }, 1);
  const before = await epoch();
  for (const stale of [
    () => house.policies.update(admin(), id, { description: 'lost' }, 1),
    () => house.policies.update(admin(), id, named('seen', allow('x')), 3),
    () => house.policies.rollback(admin(), id, 1, 1),
    () => house.policies.remove(admin(), id, true, 1),
  ]) {
    const { code, details, message } = await refusal(stale());
    assert.is(code, 'version_conflict');
    assert.equal(details, { current_version: 2 });
    assert.match(message, /policy/);
  }
  assert.is((await house.policies.read(admin(), id)).description, 'by somebody else');
  assert.is(await epoch(), before);
  await house.policies.remove(admin(), id, false, 2);
});

test('of writers that have seen the same version exactly one wins', async () => {
  const { id } = await create('race', allow('race/0'));
  const replica = house.replica();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) =>
      (n % 2 === 0 ? house.policies : replica).update(admin(), id, named('race', allow(`race/${n}`)), 1),
    ),
  );
  assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.is((outcome.reason as { code: string }).code, 'version_conflict');
  }
  const { version, rules } = await house.policies.read(admin(), id);
  assert.is(version, 2);
  const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
  assert.equal(rules, [allow(`race/${winner}`)]);
});

test('writers who do not say what they have seen overwrite each other, each with a version of its own', async () => {
  const { id } = await create('crowd', allow('crowd/0'));
  const writes = Array.from({ length: 8 }, (_, n) => house.policies.update(admin(), id, { description: `${n}` }, null));
  const versions = (await Promise.all(writes)).map(({ value }) => value.version);
  assert.equal(versions.toSorted(), [2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a name that another policy has is not taken over', async () => {
  await create('first-name', allow('n'));
  const { id } = await create('second-name', allow('n'));
  const before = await epoch();
  const { code, details } = await refusal(house.policies.update(admin(), id, { name: nameOf('first-name') }, null));
  assert.is(code, 'name_taken');
  assert.equal(details, { field: 'name' });
  assert.is((await house.policies.read(admin(), id)).version, 1);
  assert.is(await epoch(), before);
  // Its own it may keep.
  await house.policies.update(admin(), id, { name: nameOf('second-name') }, null);
  const both = await Promise.allSettled(
    ['first-name', 'second-name'].map(async (name) => {
      const { items } = await house.policies.lists.policies(
        admin(),
        { text: name, isActive: null },
        { after: null, limit: 5 },
      );
      return house.policies.update(admin(), items[0]!.id, { name: nameOf('third-name') }, null);
    }),
  );
  assert.equal(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('what is wrong with new rules is refused by its place, and nothing happens', async () => {
  const { id } = await create('wrong', allow('w'));
  const before = await epoch();
  const cases = [
    [[allow('w'), allow('a//b')], 'invalid_glob', 1],
    [[deny('App')], 'invalid_glob', 0],
    [[allow('w'), allow('w'), allow('p', ['write'], 'partner_secret')], 'invalid_policy', 2],
  ] as const;
  for (const [rules, code, index] of cases) {
    const error = await refusal(house.policies.update(admin(), id, { rules }, null));
    assert.is(error.code, code);
    assert.equal(error.details, { rule_index: index });
  }
  assert.is(await epoch(), before);
});

test('rules about addresses that nobody knows get a warning when they are saved', async () => {
  const office: RuleText = { ...allow('office'), conditions: { ip_ranges: ['10.0.0.0/8'] } };
  const known = await house.policies.create(admin(), named('known', allow('a'), office));
  assert.equal(known.value.warnings, []);
  house.hideAddresses(true);
  try {
    const created = await house.policies.create(admin(), named('hidden', allow('a'), office, office));
    assert.equal(
      created.value.warnings.map(({ rule_index }) => rule_index),
      [1],
    );
    assert.match(created.value.warnings[0]?.message ?? '', /TRUSTED_PROXIES/);
    const { value } = await house.policies.update(admin(), known.value.id, { description: 'x' }, null);
    assert.is(value.warnings.length, 1);
    const plain = await house.policies.update(admin(), created.value.id, { rules: [allow('a')] }, null);
    assert.equal(plain.value.warnings, []);
  } finally {
    house.hideAddresses(false);
  }
});

test('a policy in use is deleted only when its bindings may go with it', async () => {
  const { id } = await create('used', allow('used/a'));
  const [ann, bea] = [await bind(id, 'ann'), await bind(id, 'bea')];
  const { code, details } = await refusal(house.policies.remove(admin(), id, false, null));
  assert.is(code, 'policy_in_use');
  assert.equal(details, { binding_count: 2 });
  assert.ok(await may(house.policies, person('ann'), 'used/a'));
  await expire(ann.id);
  assert.equal((await refusal(house.policies.remove(admin(), id, false, null))).details, { binding_count: 1 });
  const before = await epoch();
  await house.policies.remove(admin(), id, true, null);
  assert.not(await may(house.policies, person('bea'), 'used/a'));
  assert.is((await refusal(house.policies.read(admin(), id))).code, 'policy_not_found');
  const left = statement('t.left', 'SELECT id FROM policy_bindings WHERE policy_id = $1');
  assert.equal(await house.db.query(left, [id]), []);
  assert.is(await epoch(), before + 1);
  assert.equal((await auditedOf(house, id)).at(-1)?.extra_data, {
    policy_name: 'used',
    policy_version: 2,
    policy_epoch: before + 1,
    change: 'deleted',
    previous_version: 1,
    bindings_removed: 1,
  });
  assert.is((await refusal(house.policies.unbind(admin(), id, bea.id))).code, 'policy_not_found');
});

test('bindings that have ended keep no policy, and a deleted one leaves its name', async () => {
  const { id } = await create('ended', allow('ended/a'));
  await expire((await bind(id, 'eva')).id);
  await house.policies.remove(admin(), id, false, null);
  assert.is((await create('ended', allow('ended/a'))).version, 1);
});

test('of two deletions one finds nothing, and a change beside a deletion leaves no half', async () => {
  const { id } = await create('twice-gone', allow('g'));
  const outcomes = await Promise.allSettled([
    house.policies.remove(admin(), id, true, null),
    house.policies.remove(admin(), id, true, null),
    house.policies.update(admin(), id, { description: 'late' }, null),
    house.policies.bind(admin(), id, { identityType: 'user', identityId: 'user:late', expiresAt: null }),
  ]);
  assert.equal(
    outcomes
      .slice(0, 2)
      .map(({ status }) => status)
      .toSorted(),
    ['fulfilled', 'rejected'],
  );
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.is((outcome.reason as { code: string }).code, 'policy_not_found');
  }
  const orphans = statement(
    't.orphans',
    `SELECT b.id FROM policy_bindings b LEFT JOIN policies p ON p.tenant_id = b.tenant_id AND p.id = b.policy_id
     WHERE p.id IS NULL`,
  );
  assert.equal(await house.db.query(orphans), []);
});

test('a rollback makes a new version of a former one, bindings as they are', async () => {
  const { id } = await create('back', allow('back/a'));
  await bind(id, 'bob');
  await house.policies.update(admin(), id, { ...named('forth', allow('back/b')), isActive: false }, null);
  const { value } = await house.policies.rollback(admin(), id, 1, 2);
  assert.equal([value.version, value.name, value.isActive, value.rules], [3, 'back', true, [allow('back/a')]]);
  assert.ok(await may(house.policies, person('bob'), 'back/a'));
  assert.not(await may(house.policies, person('bob'), 'back/b'));
  const { extra_data } = (await auditedOf(house, id)).at(-1)!;
  assert.equal([extra_data.change, extra_data.from_version, extra_data.previous_version], ['rolled_back', 1, 2]);
  const unknown = await refusal(house.policies.rollback(admin(), id, 9, null));
  assert.is(unknown.code, 'version_not_found');
  assert.equal(unknown.details, { current_version: 3 });
});

test('a rollback to a name that is another one’s by now is refused', async () => {
  const { id } = await create('lent', allow('l'));
  await house.policies.update(admin(), id, { name: nameOf('lender') }, null);
  await create('lent', allow('l'));
  assert.is((await refusal(house.policies.rollback(admin(), id, 1, null))).code, 'name_taken');
});

test("another tenant's policy and one that is not there are the same to every call", async () => {
  const { id } = await grant(house, 'user:far', [allow('far')], { tenant: OTHER });
  const [binding] = await house.db.query<{ id: BindingId }>(
    statement('t.foreign', 'SELECT id FROM policy_bindings WHERE policy_id = $1'),
    [id],
  );
  const nowhere = 'pol_00000000000000000000000000' as PolicyId;
  const window = { after: null, limit: 5 };
  const calls = (of: PolicyId) => [
    house.policies.read(admin(), of),
    house.policies.update(admin(), of, { description: 'x' }, null),
    house.policies.update(admin(), of, { description: 'x' }, 1),
    house.policies.rollback(admin(), of, 1, null),
    house.policies.remove(admin(), of, true, null),
    house.policies.lists.history(admin(), of, window),
    house.policies.lists.bindings(admin(), of, window),
    house.policies.bind(admin(), of, { identityType: 'user', identityId: 'user:x', expiresAt: null }),
    house.policies.unbind(admin(), of, binding!.id),
  ];
  const refusals = async (of: PolicyId) =>
    (await Promise.all(calls(of).map(refusal))).map(({ code, message, details }) => ({ code, message, details }));
  const foreign = await refusals(id);
  assert.equal(foreign, await refusals(nowhere));
  for (const { code } of foreign) assert.is(code, 'policy_not_found');
  // A binding of another policy, or of another tenant, is none of this one.
  const own = await create('own', allow('o'));
  assert.is((await refusal(house.policies.unbind(admin(), own.id, binding!.id))).code, 'binding_not_found');
  assert.ok(await may(house.policies, person('far', { tenantId: OTHER.tenantId }), 'far', { tenant: OTHER }));
});

test('a tenant has an end to its rules, also when a policy grows', async () => {
  const elsewhere = () => house.asks(person('root', { tenantId: OTHER.tenantId }), ['tenant_admin'], OTHER);
  const fill = statement(
    't.fill',
    `INSERT INTO policies (tenant_id, id, name, scope, rules)
     SELECT 'other', 'pol_fill' || n, 'fill' || n, 'tenant',
       (SELECT jsonb_agg(jsonb_build_object('path_pattern', 'x')) FROM generate_series(1, 998)) FROM generate_series(1, 20) n`,
  );
  const { value } = await house.policies.create(elsewhere(), named('grows', allow('a')));
  await house.db.query(fill);
  const rules = Array.from({ length: 39 }, () => allow('a'));
  await house.policies.update(elsewhere(), value.id, { rules }, null);
  const more = await refusal(
    house.policies.update(elsewhere(), value.id, { rules: [...rules, allow('a'), allow('a')] }, null),
  );
  assert.is(more.code, 'invalid_policy');
  assert.match(more.message, /20000 are the most/);
  // What is full may still shrink.
  await house.policies.update(elsewhere(), value.id, { rules: [allow('a')] }, null);
  await house.db.query(statement('t.empty', "DELETE FROM policies WHERE id LIKE 'pol_fill%'"));
});

test('a change takes three round trips; without a role one more', async () => {
  const { id } = await create('trips', allow('trips/a'));
  await grant(house, 'user:del', [allow('policies', ['write'], 'sys'), allow('trips/**', ['admin'])]);
  house.tripsOfChanges();
  await house.policies.update(admin(), id, { description: 'x' }, null);
  const looks = ['policy.raise_epoch', 'policy.read', 'policy.live_bindings', 'policy.size'];
  assert.equal(house.tripsOfChanges(), [looks, ['policy.update', 'policy.keep_version'], ['audit.insert']]);
  await house.policies.update(house.asks(person('del')), id, { description: 'y' }, null);
  assert.equal(house.tripsOfChanges(), [
    looks,
    ['policy.load'],
    ['policy.update', 'policy.keep_version'],
    ['audit.insert'],
  ]);
  const binding = await bind(id, 'tom');
  house.tripsOfChanges();
  await house.policies.unbind(admin(), id, binding.id);
  assert.equal(house.tripsOfChanges(), [
    ['policy.raise_epoch', 'policy.read', 'policy.find_binding'],
    ['policy.unbind'],
    ['audit.insert'],
  ]);
  await house.policies.remove(admin(), id, false, null);
  assert.equal(house.tripsOfChanges(), [
    ['policy.raise_epoch', 'policy.read', 'policy.live_bindings'],
    ['policy.unbind_all', 'policy.keep_version', 'policy.delete'],
    ['audit.insert'],
  ]);
});

test.run();
