import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { SecretPath, TenantId } from '../../src/contract/names.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { ACME, allow, deny, grant, type House, may, named, openHouse, person, refusal } from './house.ts';

const test = suite('how fast a change of policy takes effect');

let house: House;
test.before(async () => {
  house = await openHouse();
});
test.after(() => house.close());

test('here at once, in another process within a second', async () => {
  const replica = house.replica();
  const ann = person('ann');
  assert.not(await may(replica, ann, 'ann/x'));
  assert.not(await may(house.policies, ann, 'ann/x'));
  await grant(house, 'user:ann', [allow('ann/x')]);
  assert.ok(await may(house.policies, ann, 'ann/x'));
  house.clock.laterMs += 1_000;
  assert.ok(await may(replica, ann, 'ann/x'));
});

test('many requests a second ask the database once, for one row', async () => {
  const replica = house.replica();
  await may(replica, person('ann'), 'ann/x');
  house.statementsSent();
  for (let request = 0; request < 50; request++) await may(replica, person(`p${request}`), 'ann/x');
  assert.equal(house.statementsSent(), []);
  house.clock.laterMs += 1_000;
  await Promise.all(Array.from({ length: 50 }, () => may(replica, person('ann'), 'ann/x')));
  assert.equal(house.statementsSent(), ['policy.epochs']);
});

test('fifty first requests load a tenant once', async () => {
  const replica = house.replica();
  house.statementsSent();
  await Promise.all(Array.from({ length: 50 }, () => may(replica, person('ann'), 'ann/x')));
  assert.equal(house.statementsSent(), ['policy.load']);
});

test('a change of roles changes the epochs of an access, and loads nothing', async () => {
  const replica = house.replica();
  const before = await replica.access(person('ann'), ACME, null);
  await house.db.query(
    statement('t.subject', "UPDATE tenants SET subject_epoch = subject_epoch + 1 WHERE tenant_id = 'acme'"),
  );
  house.clock.laterMs += 1_000;
  house.statementsSent();
  const after = await replica.access(person('ann'), ACME, null);
  assert.equal(after.epochs, { ...before.epochs, subject: before.epochs.subject + 1 });
  assert.equal(house.statementsSent(), ['policy.epochs']);
});

test('an access is confirmed by its epochs, and made again under newer ones', async () => {
  const replica = house.replica();
  const bea = person('bea');
  await grant(house, 'user:bea', [allow('bea/x')]);
  const access = await replica.access(bea, ACME, null);
  const allowed = (each: typeof access) => each.decide('secret', 'bea/x' as SecretPath, 'read').allowed;
  assert.ok(allowed(access));
  assert.is(await replica.reconfirm(bea, ACME, access, access.epochs), access);
  await grant(house, 'user:bea', [deny('bea/x')]);
  const seen = (await house.policies.access(bea, ACME, null)).epochs;
  const again = await replica.reconfirm(bea, ACME, access, seen);
  assert.equal(again.epochs, seen);
  assert.not(allowed(again));
});

test('fifty requests that see a newer epoch at once load the tenant once', async () => {
  const replica = house.replica();
  const fay = person('fay');
  const access = await replica.access(fay, ACME, null);
  await grant(house, 'user:fay', [allow('fay/x')]);
  const { epochs } = await house.policies.access(fay, ACME, null);
  house.statementsSent();
  const again = await Promise.all(Array.from({ length: 50 }, () => replica.reconfirm(fay, ACME, access, epochs)));
  assert.ok(again.every((each) => each.decide('secret', 'fay/x' as SecretPath, 'read').allowed));
  assert.equal(house.statementsSent(), ['policy.epochs', 'policy.load']);
});

test('who joins a read that began before the change they saw reads again', async () => {
  const replica = house.replica();
  const gil = person('gil');
  const access = await replica.access(gil, ACME, null);
  house.clock.laterMs += 1_000;
  const slow = Promise.withResolvers<void>();
  const answered = house.holdBack('policy.epochs', slow.promise);
  const early = may(replica, gil, 'gil/x');
  await answered;
  await grant(house, 'user:gil', [allow('gil/x')]);
  const { epochs } = await house.policies.access(gil, ACME, null);
  const again = replica.reconfirm(gil, ACME, access, epochs);
  slow.resolve();
  await early;
  assert.ok((await again).decide('secret', 'gil/x' as SecretPath, 'read').allowed);
});

test('a change made here is not hidden by what was read before it and comes in late', async () => {
  const cid = person('cid');
  await may(house.policies, cid, 'cid/x');
  house.clock.laterMs += 1_000;
  const slow = Promise.withResolvers<void>();
  const answered = house.holdBack('policy.epochs', slow.promise);
  const early = may(house.policies, cid, 'cid/x');
  await answered;
  await grant(house, 'user:cid', [allow('cid/x')]);
  assert.ok(await may(house.policies, cid, 'cid/x'), 'who comes after the change does not wait for the early answer');
  slow.resolve();
  await early;
  assert.ok(await may(house.policies, cid, 'cid/x'), 'nor does it take the place of the later one');
});

test('a first load that comes in late does not hide a change made here', async () => {
  const policies = house.replica();
  const dot = person('dot');
  const slow = Promise.withResolvers<void>();
  const answered = house.holdBack('policy.load', slow.promise);
  const early = may(policies, dot, 'dot/x');
  await answered;
  const asking = () => house.asks(person('root'), ['tenant_admin']);
  const { value } = await policies.create(asking(), named('for-dot', allow('dot/x')));
  await policies.bind(asking(), value.id, { identityType: 'user', identityId: 'user:dot', expiresAt: null });
  slow.resolve();
  await early;
  assert.ok(await may(policies, dot, 'dot/x'));
});

test('who asks a second later does not join a read that is under way', async () => {
  const replica = house.replica();
  const eli = person('eli');
  await may(replica, eli, 'eli/x');
  house.clock.laterMs += 1_000;
  const slow = Promise.withResolvers<void>();
  const answered = house.holdBack('policy.epochs', slow.promise);
  const early = may(replica, eli, 'eli/x');
  await answered;
  await grant(house, 'user:eli', [allow('eli/x')]);
  house.clock.laterMs += 1_000;
  assert.ok(await may(replica, eli, 'eli/x'));
  slow.resolve();
  assert.not(await early);
});

test('a clock that is set back makes nothing fresh', async () => {
  const replica = house.replica();
  await may(replica, person('ann'), 'ann/x');
  house.clock.laterMs -= 60_000;
  house.statementsSent();
  await may(replica, person('ann'), 'ann/x');
  assert.equal(house.statementsSent(), ['policy.epochs']);
});

test('when the database cannot confirm, nobody is judged', async () => {
  const replica = house.replica();
  await may(replica, person('ann'), 'ann/x');
  house.clock.laterMs += 1_000;
  const down = Promise.reject(new ApiError('service_unavailable'));
  down.catch(() => {});
  house.holdBack('policy.epochs', down);
  assert.is((await refusal(may(replica, person('ann'), 'ann/x'))).code, 'service_unavailable');
  assert.ok(await may(replica, person('ann'), 'ann/x'), 'and the next one asks again');
});

test('a tenant that the database does not know is refused', async () => {
  const nowhere = { ...ACME, tenantId: 'nowhere' as TenantId };
  assert.is((await refusal(may(house.policies, person('ann'), 'a', { tenant: nowhere }))).code, 'tenant_access_denied');
});

test('no request is judged by half a change', async () => {
  // Each round swaps two rules at once: exactly one of the two paths is open at any moment.
  const replica = house.replica();
  const zoe = person('zoe');
  const { id } = await grant(house, 'user:zoe', [allow('zoe/a')]);
  const swap = statement(
    't.swap',
    `WITH raised AS (UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = 'acme')
     UPDATE policies SET version = version + 1, rules = $2::jsonb WHERE tenant_id = 'acme' AND id = $1`,
  );
  let swapping = true;
  const swaps = (async () => {
    for (let round = 0; round < 41; round++) {
      await house.db.query(swap, [id, JSON.stringify([allow(round % 2 === 0 ? 'zoe/b' : 'zoe/a')])]);
      house.clock.laterMs += 1_000;
      await sleep(2);
    }
    swapping = false;
  })();
  let judged = 0;
  const ask = async () => {
    while (swapping) {
      const access = await replica.access(zoe, ACME, null);
      const open = ['zoe/a', 'zoe/b'].filter((path) => access.decide('secret', path as SecretPath, 'read').allowed);
      assert.is(open.length, 1);
      judged++;
      await sleep(0);
    }
  };
  await Promise.all([swaps, ask(), ask(), ask(), ask()]);
  assert.ok(judged > 100, String(judged));
  house.clock.laterMs += 1_000;
  assert.ok(await may(replica, zoe, 'zoe/b'), 'the last swap counts');
});

test('policies created side by side are all there', async () => {
  const many = Array.from({ length: 8 }, (_, at) => grant(house, 'user:max', [allow(`max/${at}`)]));
  await Promise.all(many);
  for (let at = 0; at < 8; at++) assert.ok(await may(house.policies, person('max'), `max/${at}`));
});

test.run();
