import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { BindingId, PolicyId, PolicyName, SecretPath, TenantId } from '../../src/contract/names.ts';
import type { Permission } from '../../src/contract/permissions.ts';
import type { Tenant } from '../../src/contract/principal.ts';
import type { RuleText } from '../../src/policy/rules.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { type House, openHouse, PARTNER, person } from './house.ts';
import { reference } from './patterns.ts';

const test = suite('changes of policies against a model', { timeoutMs: 60_000 });

let house: House;
test.before(async () => {
  house = await openHouse();
});
test.after(() => house.close());

const PEOPLE = ['ann', 'bob', 'cy'];
const PATHS = ['a', 'a/b', 'a/c', 'b/c', 'b/c/d'];
const HOUR = 3_600_000;

const rule: fc.Arbitrary<RuleText> = fc.record(
  {
    path_pattern: fc.constantFrom('a', 'a/*', '*/c', 'b/**', '**', 'a/?'),
    permissions: fc.uniqueArray(fc.constantFrom<Permission>('read', 'write', 'admin'), { minLength: 1, maxLength: 2 }),
    effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'deny'),
    kind: fc.constant('secret' as const),
  },
  { noNullPrototype: true },
);
const state = fc.record(
  {
    name: fc.constantFrom('one', 'two', 'three', 'four').map((name) => name as PolicyName),
    description: fc.constantFrom('', 'text'),
    isActive: fc.constantFrom(true, true, false),
    rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
  },
  { noNullPrototype: true },
);
const which = fc.nat(99);
const who = fc.constantFrom(...PEOPLE);
const step = fc.oneof(
  fc.record({ do: fc.constant('create' as const), state }),
  fc.record({ do: fc.constant('put' as const), which, state }),
  fc.record({
    do: fc.constant('patch' as const),
    which,
    patch: fc.subarray(['name', 'isActive', 'rules'] as const),
    state,
  }),
  fc.record({ do: fc.constant('rollback' as const), which, version: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('remove' as const), which, force: fc.boolean() }),
  fc.record({ do: fc.constant('bind' as const), which, who, ends: fc.boolean() }),
  fc.record({ do: fc.constant('bind' as const), which, who, ends: fc.boolean() }),
  fc.record({ do: fc.constant('unbind' as const), which }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type State = typeof state extends fc.Arbitrary<infer S> ? S : never;

interface Modelled {
  readonly id: PolicyId;
  readonly states: State[];
}

interface Bound {
  readonly id: BindingId;
  readonly policy: PolicyId;
  readonly who: string;
  ends: boolean;
}

/** What a tenant's policies should be, from the words of the specification. */
class Model {
  readonly policies: Modelled[] = [];
  readonly bindings: Bound[] = [];

  current(id: PolicyId): State {
    return this.policies.find((policy) => policy.id === id)!.states.at(-1)!;
  }

  isTaken(name: string, by: PolicyId | null): boolean {
    return this.policies.some(({ id, states }) => id !== by && states.at(-1)?.name === name);
  }

  allows(someone: string, path: string, asked: Permission, later: boolean): boolean {
    const rules = this.bindings
      .filter((binding) => binding.who === someone && !(later && binding.ends))
      .map(({ policy }) => this.current(policy))
      .flatMap(({ isActive, rules: own }) => (isActive ? own : []))
      .filter(({ permissions }) => permissions.includes(asked) || permissions.includes('admin'))
      .filter(({ path_pattern }) => reference(path_pattern, { 'identity.key': null, 'tenant.id': null }).test(path));
    return rules.some(({ effect }) => effect === 'allow') && rules.every(({ effect }) => effect === 'allow');
  }
}

/** Does a step in both; whether it is refused must be the same, and why. */
async function take(model: Model, tenant: Tenant, one: Step): Promise<void> {
  const asking = () => house.asks(person('root', { tenantId: tenant.tenantId }), ['tenant_admin'], tenant);
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => null,
      (error: { code: string }) => error.code,
    );
  if (one.do === 'create') {
    if (model.isTaken(one.state.name, null)) {
      return assert.is(await codeOf(house.policies.create(asking(), one.state)), 'name_taken');
    }
    const { value } = await house.policies.create(asking(), one.state);
    return void model.policies.push({ id: value.id, states: [one.state] });
  }
  if (one.do === 'unbind') {
    if (model.bindings.length === 0) return;
    const [gone] = model.bindings.splice(one.which % model.bindings.length, 1);
    return void (await house.policies.unbind(asking(), gone!.policy, gone!.id));
  }
  const policy = model.policies[one.which % model.policies.length];
  if (policy === undefined) return;
  const { id, states } = policy;
  const bound = model.bindings.filter((binding) => binding.policy === id);
  switch (one.do) {
    case 'bind': {
      const expiresAt = one.ends ? new Date(Date.now() + HOUR) : null;
      const asked = { identityType: 'user', identityId: `user:${one.who}`, expiresAt } as const;
      const { value } = await house.policies.bind(asking(), id, asked);
      const known = bound.find((binding) => binding.who === one.who);
      assert.is(value.created, known === undefined);
      if (known !== undefined) known.ends = one.ends;
      else model.bindings.push({ id: value.binding.id, policy: id, who: one.who, ends: one.ends });
      return;
    }
    case 'remove': {
      const code = await codeOf(house.policies.remove(asking(), id, one.force, states.length));
      if (bound.length > 0 && !one.force) return assert.is(code, 'policy_in_use');
      assert.is(code, null);
      model.policies.splice(model.policies.indexOf(policy), 1);
      for (const binding of bound) model.bindings.splice(model.bindings.indexOf(binding), 1);
      return;
    }
    case 'rollback': {
      const former = states[one.version - 1];
      const code = await codeOf(house.policies.rollback(asking(), id, one.version, states.length));
      if (former === undefined) return assert.is(code, 'version_not_found');
      if (model.isTaken(former.name, id)) return assert.is(code, 'name_taken');
      assert.is(code, null);
      return void states.push(former);
    }
    default: {
      const all = one.state;
      const patch = one.do === 'put' ? all : Object.fromEntries(one.patch.map((member) => [member, all[member]]));
      const next = { ...states.at(-1)!, ...patch };
      const code = await codeOf(house.policies.update(asking(), id, patch, states.length));
      if (model.isTaken(next.name, id)) return assert.is(code, 'name_taken');
      assert.is(code, null);
      states.push(next);
    }
  }
}

let tenants = 0;
async function newTenant(): Promise<Tenant> {
  const tenantId = `model${++tenants}` as TenantId;
  const insert = statement('t.tenant', 'INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2)');
  await house.db.query(insert, [tenantId, PARTNER]);
  return { tenantId, partnerId: PARTNER };
}

/** Every decision about the few people and paths there are, now and when bindings with an end have ended. */
async function compare(model: Model, tenant: Tenant): Promise<void> {
  for (const later of [false, true]) {
    house.clock.laterMs = later ? 2 * HOUR : 0;
    for (const policies of [house.policies, house.replica()]) {
      for (const someone of PEOPLE) {
        const access = await policies.access(person(someone, { tenantId: tenant.tenantId }), tenant, null);
        for (const path of PATHS) {
          for (const asked of ['read', 'write', 'delete'] as const) {
            const { allowed } = access.decide('secret', path as SecretPath, asked);
            assert.is(allowed, model.allows(someone, path, asked, later), `${someone} ${asked} ${path} ${later}`);
          }
        }
      }
    }
  }
  house.clock.laterMs = 0;
}

test('after any changes, decisions, lists and histories are those of the documents that are left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }), async (steps) => {
      const tenant = await newTenant();
      const model = new Model();
      for (const one of steps) await take(model, tenant, one);
      await compare(model, tenant);
      const asking = house.asks(person('root'), ['tenant_admin'], tenant);
      const all = { after: null, limit: 1000 };
      const { items } = await house.policies.lists.policies(asking, { text: null, isActive: null }, all);
      assert.equal(
        items.map(({ id, name, isActive, ruleCount, bindingCount }) => ({
          id,
          name,
          isActive,
          ruleCount,
          bindingCount,
        })),
        model.policies.map(({ id, states }) => {
          const { name, isActive, rules } = states.at(-1)!;
          const bindingCount = model.bindings.filter(({ policy }) => policy === id).length;
          return { id, name, isActive, ruleCount: rules.length, bindingCount };
        }),
      );
      for (const { id, states } of model.policies) {
        const history = await house.policies.lists.history(asking, id, all);
        assert.equal(
          history.items
            .map(({ name, description, isActive, rules }) => ({ name, description, isActive, rules }))
            .toReversed(),
          states,
        );
      }
    }),
    { numRuns: 40 },
  );
});

test.run();
