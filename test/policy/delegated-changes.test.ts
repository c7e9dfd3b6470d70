import * as assert from 'uvu/assert';
import type { BindingId, PolicyId } from '../../src/contract/names.ts';
import type { RuleText } from '../../src/policy/rules.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { allow, auditedOf, deny, grant, type House, may, named, openHouse, person, refusal } from './house.ts';

// Spec 12, "No escalation by policy"; CVE-2024-9180.
const test = suite('changes of policies without a role');

let house: House;
test.before(async () => {
  house = await openHouse();
  await grant(house, 'user:lead', [allow('policies', ['read', 'write'], 'sys'), allow('team/**', ['admin'])]);
});
test.after(() => house.close());

const admin = () => house.asks(person('root'), ['tenant_admin']);
const lead = () => house.asks(person('lead'));
const inAnHour = () => new Date(Date.now() + 3_600_000);

let made = 0;
const create = async (...rules: RuleText[]) =>
  (await house.policies.create(admin(), named(`given-${made++}`, ...rules))).value.id;
const bindingOf = (who: string, expiresAt: Date | null = null) =>
  ({ identityType: 'user', identityId: `user:${who}`, expiresAt }) as const;
const bind = async (id: PolicyId, who: string, expiresAt: Date | null = null) =>
  (await house.policies.bind(admin(), id, bindingOf(who, expiresAt))).value.binding;

/** That each of these is forbidden, and leaves the policy as it is. */
async function forbidden(id: PolicyId, ...attempts: (() => Promise<unknown>)[]): Promise<void> {
  const before = await house.policies.read(admin(), id);
  for (const [at, attempt] of attempts.entries()) {
    assert.is((await refusal(attempt())).code, 'forbidden', `attempt ${at}`);
  }
  assert.equal(await house.policies.read(admin(), id), before);
}

test('may edit, roll back, switch and delete what lies within their own', async () => {
  const id = await create(allow('team/a'));
  await bind(id, 'new');
  await house.policies.update(lead(), id, { rules: [allow('team/b', ['write'])] }, 1);
  assert.ok(await may(house.policies, person('new'), 'team/b', { permission: 'write' }));
  await house.policies.rollback(lead(), id, 1, null);
  assert.ok(await may(house.policies, person('new'), 'team/a'));
  await house.policies.update(lead(), id, { isActive: false }, null);
  await house.policies.update(lead(), id, { isActive: true }, null);
  await house.policies.remove(lead(), id, true, null);
  assert.not(await may(house.policies, person('new'), 'team/a'));
});

test('may not put anything into a policy that they could not hand out', async () => {
  const id = await create(allow('team/a'));
  await bind(id, 'lead');
  await forbidden(
    id,
    () => house.policies.update(lead(), id, { rules: [allow('team/a'), allow('payroll')] }, null),
    () => house.policies.update(lead(), id, named('wide', allow('**', ['admin'])), null),
    () => house.policies.update(lead(), id, { rules: [allow('policies', ['admin'], 'sys')] }, null),
  );
  assert.not(await may(house.policies, person('lead'), 'payroll'));
});

test('may not bring back what a policy gave once, by rollback or by switching it on', async () => {
  const id = await create(allow('payroll'));
  await bind(id, 'lead');
  await house.policies.update(admin(), id, { rules: [allow('team/a')] }, null);
  await forbidden(id, () => house.policies.rollback(lead(), id, 1, null));
  const off = await create(allow('payroll'));
  await bind(off, 'lead');
  await house.policies.update(admin(), off, { isActive: false }, null);
  await forbidden(
    off,
    () => house.policies.update(lead(), off, { isActive: true }, null),
    // Neither is it theirs to touch otherwise.
    () => house.policies.update(lead(), off, { description: 'mine now' }, null),
  );
  assert.not(await may(house.policies, person('lead'), 'payroll'));
});

test('may not take a deny rule from anybody, whichever way', async () => {
  const id = await create(allow('team/**'), deny('team/prod', ['write']), deny('team/prod/**', ['write', 'delete']));
  const held = await bind(id, 'held');
  await house.policies.update(admin(), id, { description: 'version 2' }, null);
  const rules = (...denied: RuleText[]) => ({ rules: [allow('team/**'), ...denied] });
  await forbidden(
    id,
    () => house.policies.update(lead(), id, rules(), null),
    () => house.policies.update(lead(), id, rules(deny('team/prod', ['write'])), null),
    () => house.policies.update(lead(), id, rules(deny('team/prod', ['write']), deny('team/prod/**', ['write'])), null),
    () =>
      house.policies.update(
        lead(),
        id,
        rules(deny('team/prod', ['write']), deny('team/prod/*', ['write', 'delete'])),
        null,
      ),
    () => house.policies.update(lead(), id, rules(deny('team/**', ['read'])), null),
    () => house.policies.update(lead(), id, rules(deny('team/**', ['admin'], 'pki')), null),
    () =>
      house.policies.update(
        lead(),
        id,
        rules(deny('team/{{identity.key}}/**', ['admin']), deny('team/{{identity.key}}', ['admin'])),
        null,
      ),
    () => house.policies.update(lead(), id, { isActive: false }, null),
    () => house.policies.unbind(lead(), id, held.id),
    () => house.policies.bind(lead(), id, bindingOf('held', inAnHour())),
    () => house.policies.remove(lead(), id, true, null),
  );
  await house.policies.unbind(admin(), id, held.id);
  await forbidden(id, () => house.policies.remove(lead(), id, false, null));
  // The same said with more, or in other words, is no less.
  const parts = [deny('team/prod', ['admin']), deny('team/*/**', ['write']), deny('team/prod/**', ['delete'])];
  await house.policies.update(lead(), id, rules(...parts), null);
  await house.policies.update(lead(), id, rules(deny('**', ['admin'])), null);
  await forbidden(id, () => house.policies.rollback(lead(), id, 1, null));
});

test('may not weaken a deny rule by conditions', async () => {
  const office: RuleText = { ...deny('team/x'), conditions: { ip_ranges: ['10.0.0.0/8'] } };
  const id = await create(deny('team/x'));
  await forbidden(id, () => house.policies.update(lead(), id, { rules: [office] }, null));
  const conditional = await create(office);
  await forbidden(conditional, () =>
    house.policies.update(
      lead(),
      conditional,
      { rules: [{ ...deny('team/x'), conditions: { ip_ranges: ['10.1.0.0/16'] } }] },
      null,
    ),
  );
  await house.policies.update(lead(), conditional, { rules: [deny('team/x')] }, null);
});

test('may not strip a policy that is switched off of its deny rules, to be switched on by others', async () => {
  const id = await create(allow('team/a'), deny('team/b'));
  await house.policies.update(admin(), id, { isActive: false }, null);
  await forbidden(
    id,
    () => house.policies.update(lead(), id, { rules: [allow('team/a')] }, null),
    () => house.policies.remove(lead(), id, false, null),
  );
  await house.policies.update(lead(), id, { description: 'still off' }, null);
});

test('may remove bindings that give, and those that have ended', async () => {
  const id = await create(allow('payroll'));
  const { id: giving } = await bind(id, 'gus');
  await house.policies.unbind(lead(), id, giving);
  assert.not(await may(house.policies, person('gus'), 'payroll'));
  const denying = await create(deny('payroll'));
  const ended = await bind(denying, 'gus');
  const expire = statement('t.end', "UPDATE policy_bindings SET expires_at = now() - interval '1 s' WHERE id = $1");
  await house.db.query(expire, [ended.id]);
  await house.policies.unbind(lead(), denying, ended.id);
  assert.is((await refusal(house.policies.unbind(lead(), denying, ended.id))).code, 'binding_not_found');
  assert.is((await refusal(house.policies.unbind(admin(), id, ended.id as BindingId))).code, 'binding_not_found');
});

test('what they hold for an hour they put into no policy that is bound for longer', async () => {
  const temp = () => house.asks(person('temp'));
  const end = inAnHour();
  await grant(house, 'user:temp', [allow('policies', ['write'], 'sys')]);
  await grant(house, 'user:temp', [allow('vault/**', ['admin'])], { expiresAt: end });
  const id = await create(allow('vault/x'));
  const rules = [allow('vault/y')];
  await bind(id, 'temp', end);
  await house.policies.update(temp(), id, { rules }, null);
  await bind(id, 'other', new Date(end.getTime() + 1));
  await forbidden(id, () => house.policies.update(temp(), id, { rules: [allow('vault/z')] }, null));
  await bind(id, 'other');
  await forbidden(
    id,
    () => house.policies.rollback(temp(), id, 1, null),
    () => house.policies.update(temp(), id, { isActive: true }, null),
  );
});

test('without the rule that let them in, nothing is done', async () => {
  const id = await create(allow('team/a'));
  const { id: binding } = await bind(id, 'x');
  const late = () => house.asks(person('late'));
  await grant(house, 'user:late', [allow('**', ['admin'])]);
  await forbidden(
    id,
    () => house.policies.update(late(), id, { description: 'late' }, null),
    () => house.policies.rollback(late(), id, 1, null),
    () => house.policies.unbind(late(), id, binding),
    () => house.policies.remove(late(), id, true, null),
  );
});

test('an administrator may do all of it', async () => {
  const id = await create(allow('payroll'), deny('team/**', ['admin']));
  const { id: binding } = await bind(id, 'x');
  await house.policies.update(admin(), id, { rules: [allow('**', ['admin'])] }, null);
  await house.policies.rollback(admin(), id, 1, null);
  await house.policies.update(admin(), id, { isActive: false }, null);
  await house.policies.unbind(admin(), id, binding);
  await house.policies.remove(admin(), id, false, null);
});

test('a change that gives its author more is audited as what it is', async () => {
  const boss = () => house.asks(person('boss', { groups: ['admins'] }), ['tenant_admin']);
  const actions = async (id: PolicyId) => (await auditedOf(house, id)).map((row) => row.action);
  const id = await create(allow('pay/a'), deny('pay/b'));
  await house.policies.bind(admin(), id, { identityType: 'group', identityId: 'group:admins', expiresAt: null });
  const gains = 'policy_self_granted';
  // The house's draft calls every change this.
  const plain = 'policy_bind';
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    [plain, () => house.policies.update(boss(), id, { description: 'no more than before' }, null)],
    [gains, () => house.policies.update(boss(), id, { rules: [allow('pay/*'), deny('pay/b')] }, null)],
    [plain, () => house.policies.update(boss(), id, { rules: [allow('pay/a'), deny('pay/b')] }, null)],
    [gains, () => house.policies.update(boss(), id, { rules: [allow('pay/a', ['write']), deny('pay/b')] }, null)],
    [gains, () => house.policies.update(boss(), id, { rules: [allow('pay/a', ['write'])] }, null)],
    [gains, () => house.policies.rollback(boss(), id, 3, null)],
    [plain, () => house.policies.update(boss(), id, { rules: [allow('pay/a'), deny('pay/b')] }, null)],
    [gains, () => house.policies.update(boss(), id, { isActive: false }, null)],
    [plain, () => house.policies.update(boss(), id, { rules: [allow('pay/**')] }, null)],
    [gains, () => house.policies.update(boss(), id, { isActive: true }, null)],
    [plain, () => house.policies.update(admin(), id, { rules: [allow('**')] }, null)],
    [plain, () => house.policies.remove(boss(), id, true, null)],
  ];
  for (const [at, [expected, step]] of steps.entries()) {
    await step();
    assert.is((await actions(id)).at(-1), expected, `step ${at}`);
  }
  const denying = await create(deny('pay/c'));
  const { id: own } = await bind(denying, 'boss');
  await house.policies.unbind(boss(), denying, own);
  assert.is((await actions(denying)).at(-1), gains);
  const { id: others } = await bind(denying, 'else');
  await house.policies.unbind(boss(), denying, others);
  assert.is((await actions(denying)).at(-1), plain);
  await bind(denying, 'boss');
  await house.policies.remove(boss(), denying, true, null);
  assert.is((await actions(denying)).at(-1), gains);
});

test.run();
