import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import type { Answer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('trying a policy out');

let house: House;
test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

interface Asking {
  readonly path?: string;
  readonly permission?: string;
  readonly kind?: string;
  readonly context?: object;
  readonly token?: string;
}

function tryOut(identityId: string, { token = house.adminToken(), ...asked }: Asking = {}, id = requestId()) {
  const body = { identity_id: identityId, path: 'app/db', permission: 'read', ...asked };
  return house.ask('POST', '/v1/policies/test', { token, body, headers: { 'x-request-id': id } });
}

const asked = (answer: Answer) => {
  assert.is(answer.status, 200, answer.text);
  return answer.body;
};

test('says who decided, and what each rule of each policy has to do with it', async () => {
  const elsewhere = { ip_ranges: ['192.0.2.0/24'] };
  const first = await house.allow(
    [
      { path_pattern: 'app/*', permissions: ['write'] },
      { path_pattern: 'other/**', permissions: ['read'] },
      { path_pattern: 'app/**', permissions: ['read'], conditions: elsewhere },
      { path_pattern: 'app/db', permissions: ['read'], kind: 'pki' },
      { path_pattern: 'app/**', permissions: ['list'], effect: 'deny' },
    ],
    'user:usr_ben',
  );
  const second = await house.allow([{ path_pattern: '**', permissions: ['admin'] }], 'group:ops');
  const answer = asked(await tryOut('user:usr_ben', { context: { groups: ['ops'], source_ip: '10.0.0.1' } }));
  const [one, two] = answer.evaluated;
  assert.is(answer.allowed, true);
  assert.equal(answer.decided_by, { policy_id: second, rule_index: 0 });
  assert.is(answer.reason, 'allowed_by_rule');
  assert.equal([one.policy_id, two.policy_id], [first, second]);
  assert.match(one.name, /^test-/);
  assert.match(one.binding.id, /^bnd_/);
  assert.equal(
    { ...one.binding, id: '' },
    { id: '', identity_type: 'user', identity_id: 'user:usr_ben', expires_at: null },
  );
  assert.equal([two.binding.identity_type, two.binding.identity_id], ['group', 'group:ops']);
  const row = (
    index: number,
    pattern: string,
    matched: boolean,
    permission_granted: boolean,
    failed: string | null,
  ) => ({
    index,
    pattern,
    matched,
    permission_granted,
    failed_condition: failed,
  });
  assert.equal(one.rules, [
    row(0, 'app/*', true, false, null),
    row(1, 'other/**', false, true, null),
    row(2, 'app/**', true, true, 'ip_ranges'),
    row(3, 'app/db', false, true, null),
    row(4, 'app/**', true, false, null),
  ]);
  assert.equal(two.rules, [row(0, '**', true, true, null)]);
  assert.equal(
    answer.warnings.map(({ policy_id, rule_index }: { policy_id: string; rule_index: number }) => [
      policy_id,
      rule_index,
    ]),
    [[first, 4]],
  );
  assert.match(answer.warnings[0].message, /denies what is below "app", not "app" itself/);
});

test('answers what a request is told', async () => {
  const window = [{ start: '08:00', end: '17:00', timezone: 'Europe/Berlin' }];
  await house.allow(
    [
      { path_pattern: 'c/ip', permissions: ['read'], conditions: { ip_ranges: ['10.0.0.0/8'] } },
      { path_pattern: 'c/mfa', permissions: ['read'], conditions: { require_mfa: true } },
      { path_pattern: 'c/time', permissions: ['read'], conditions: { time_windows: window } },
      { path_pattern: 'c/denied', permissions: ['read'] },
      { path_pattern: 'c/denied', permissions: ['read'], effect: 'deny', conditions: { ip_ranges: ['192.0.2.1'] } },
    ],
    'sa:worker',
  );
  const reason = async (path: string, context: object) => asked(await tryOut('sa:worker', { path, context })).reason;
  assert.is(await reason('c/ip', { source_ip: '10.1.2.3' }), 'allowed_by_rule');
  assert.is(await reason('c/ip', { source_ip: '::ffff:10.1.2.3' }), 'allowed_by_rule');
  assert.is(await reason('c/ip', { source_ip: '192.0.2.1' }), 'ip_not_allowed');
  assert.is(await reason('c/ip', {}), 'ip_not_allowed', 'of others nothing is known that is not said');
  assert.is(await reason('c/mfa', { mfa_verified: true }), 'allowed_by_rule');
  assert.is(await reason('c/mfa', {}), 'mfa_required');
  assert.is(await reason('c/time', { timestamp: '2026-03-29T06:00:00Z' }), 'allowed_by_rule');
  assert.is(await reason('c/time', { timestamp: '2026-03-28T06:00:00Z' }), 'time_window_violation');
  assert.is(await reason('c/denied', { source_ip: '10.1.2.3' }), 'allowed_by_rule');
  assert.is(await reason('c/denied', { source_ip: null }), 'denied_by_rule');
  assert.is(await reason('c/other', {}), 'no_matching_rule');
});

test('is right about oneself without a role, with one’s own address, second factor and groups', async () => {
  await house.allow([{ path_pattern: 'me/ip', permissions: ['read'], conditions: { ip_ranges: ['127.0.0.1'] } }]);
  await house.allow([{ path_pattern: 'me/mfa', permissions: ['read'], conditions: { max_mfa_age: '10m' } }]);
  await house.allow([{ path_pattern: 'me/ops', permissions: ['read'] }], 'group:me-ops');
  const now = Math.floor(Date.now() / 1000);
  const token = house.token({ groups: ['me-ops'], mfa_verified_at: now });
  const mine = async (path: string, context?: object) =>
    asked(await tryOut('user:usr_alice', { token, path, ...(context ? { context } : {}) })).allowed;
  for (const path of ['me/ip', 'me/mfa', 'me/ops']) {
    assert.is(await mine(path), true, path);
    assert.is((await house.ask('GET', `/v1/secrets/${path}`, { token })).status, 404, 'allowed, and not there');
  }
  assert.is(await mine('me/ip', { source_ip: '10.0.0.1' }), false);
  assert.is(await mine('me/mfa', { mfa_verified: false }), false);
  assert.is(await mine('me/mfa', { timestamp: new Date((now + 3_600) * 1000).toISOString() }), false);
  assert.is(await mine('me/ops', { groups: [] }), false);
  assert.is(await mine('me/ops', { groups: ['group:me-ops'] }), true);
  const byWhoami = (await house.ask('GET', '/v1/auth/whoami', { token })).body.identity_id;
  assert.is(asked(await tryOut(byWhoami, { token, path: 'me/ip' })).allowed, true);
  assert.is(asked(await tryOut('usr_alice', { token, path: 'me/ip' })).allowed, true);
});

test('needs a role or a rule of kind sys for others, and for groups that one is not in', async () => {
  const token = house.token({ sub: 'usr_curious', groups: ['crowd'] });
  for (const [identityId, context] of [
    ['user:usr_alice', {}],
    ['sa:usr_curious', {}],
    ['group:crowd', {}],
    ['user:usr_curious', { groups: ['ops'] }],
    ['user:nobody@example.com', {}],
    ['nonsense', {}],
  ] as const) {
    const answer = await tryOut(identityId, { token, context });
    assert.is(answer.status, 403, `${identityId} ${answer.text}`);
    assertError(answer.body, 'forbidden');
  }
  assert.is((await tryOut('user:usr_curious', { token, context: { groups: ['crowd'] } })).status, 200);
  await house.allow([{ path_pattern: 'policies', permissions: ['read'], kind: 'sys' }], 'user:usr_curious');
  assert.is((await tryOut('user:usr_alice', { token })).status, 200);
  const unscoped = house.token({ sub: 'usr_curious', scope: 'secrets:read' });
  assertError((await tryOut('user:usr_curious', { token: unscoped })).body, 'insufficient_scope');
});

test('leaves no trace when it answers, and one when it refuses', async () => {
  const [answered, refused] = [requestId(), requestId()];
  await house.ask('GET', '/v1/auth/whoami');
  assert.is((await tryOut('user:usr_alice', {}, answered)).status, 200);
  const denied = await tryOut('user:usr_other', { token: house.token() }, refused);
  assert.is(denied.status, 403);
  assert.equal(await house.audited(answered), []);
  const [row] = await house.audited(refused);
  assert.equal([row?.action, row?.success, row?.error_code], ['policy_test', false, 'forbidden']);
  assert.is(denied.body.error.details.decision_id, row?.id);
});

test('knows bindings that end, templates and inactive policies as requests know them', async () => {
  const policy = await house.allow(
    [{ path_pattern: 'home/{{identity.key}}/*', permissions: ['read'] }],
    'user:usr_eva',
  );
  assert.is(asked(await tryOut('user:usr_eva', { path: 'home/usr_eva/x' })).allowed, true);
  assert.is(asked(await tryOut('user:usr_eva', { path: 'home/usr_bob/x' })).allowed, false);
  const body = { identity_type: 'user', identity_id: 'user:usr_eva', expires_at: '2099-01-01T00:00:00Z' };
  const bound = await house.ask('POST', `/v1/policies/${policy}/bindings`, { token: house.adminToken(), body });
  assert.is(bound.status, 200, bound.text);
  const at = async (timestamp: string) =>
    asked(await tryOut('user:usr_eva', { path: 'home/usr_eva/x', context: { timestamp } }));
  assert.is((await at('2098-12-31T23:59:59.999Z')).allowed, true);
  assert.equal((await at('2099-01-01T00:00:00Z')).evaluated, []);
  await house.sql('UPDATE policies SET is_active = false WHERE id = $1', [policy]);
  assert.equal(asked(await tryOut('user:usr_eva')).evaluated, []);
});

test('a group asks for nothing itself: what is for each member is for none', async () => {
  await house.allow(
    [
      { path_pattern: 'team/**', permissions: ['read'] },
      { path_pattern: 'team/{{identity.key}}', permissions: ['read'], effect: 'deny' },
    ],
    'group:team',
  );
  assert.is(asked(await tryOut('group:team', { path: 'team/a/b' })).allowed, true);
  assert.is(asked(await tryOut('group:team', { path: 'team/anybody' })).reason, 'denied_by_rule');
});

test('refuses what it cannot ask about', async () => {
  const status = async (body: object) => {
    const answer = await tryOut('user:usr_alice', body);
    return [answer.status, answer.body.error?.code];
  };
  assert.equal(await status({ path: 'a//b' }), [400, 'invalid_path']);
  assert.equal(await status({ path: '' }), [400, 'invalid_path']);
  for (const body of [
    { permission: 'sign' },
    { kind: 'ssh' },
    { context: { source_ip: '10.0.0.0/8' } },
    { context: { source_ip: 'localhost' } },
    { context: { timestamp: 'now' } },
    { context: { timestamp: '2026-02-30T00:00:00Z' } },
    { context: { mfa_verified: 'yes' } },
    { context: { groups: Array.from({ length: 501 }, (_, at) => `g${at}`) } },
    { context: { role: 'tenant_admin' } },
    { roles: [] },
  ]) {
    assert.equal(await status(body), [422, 'validation_error'], JSON.stringify(body).slice(0, 80));
  }
  assert.is((await tryOut('user:nobody@example.com')).body.error.code, 'identity_not_found');
  assert.is((await tryOut('alice')).body.error.code, 'validation_error');
});

test('answers with the policies of this moment, also right after a change elsewhere', async () => {
  await house.allow([{ path_pattern: 'fresh/*', permissions: ['read'] }], 'user:usr_fred');
  assert.is(asked(await tryOut('user:usr_fred', { path: 'fresh/x' })).allowed, true);
  await house.sql(
    `WITH raised AS (UPDATE tenants SET policy_epoch = policy_epoch + 1 WHERE tenant_id = $1)
     DELETE FROM policy_bindings WHERE tenant_id = $1 AND subject_id = 'usr_fred'`,
    [house.tenantId],
  );
  assert.is(asked(await tryOut('user:usr_fred', { path: 'fresh/x' })).allowed, false);
});

test.run();
