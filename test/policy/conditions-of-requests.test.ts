import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import type { Answer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('conditions of real requests');

let house: House;
test.before(async () => {
  house = await startHouse();
  const office = { ip_ranges: ['203.0.113.0/24', '2001:db8::/32'] };
  await house.allow([{ path_pattern: 'office/*', permissions: ['read'], conditions: office }]);
});
test.after(() => house.stop());

/** What is allowed and not there is 404. */
async function reads(path: string) {
  const answer = await house.ask('GET', `/v1/secrets/${path}`);
  return answer.status === 404 ? 'allowed' : answer.body.error.code;
}

function refusal(answer: Answer) {
  assert.is(answer.status, 403, answer.text);
  return answer.body.error;
}

test('a refusal names the condition, says what to do, and is in the audit log under its decision id', async () => {
  const id = requestId();
  const answer = await house.ask('GET', '/v1/secrets/office/x', { headers: { 'x-request-id': id } });
  const { code, message, details } = refusal(answer);
  assert.is(code, 'ip_not_allowed');
  assert.match(message, /from your network address/);
  assert.is(details.failed_condition, 'ip_ranges');
  const [row] = await house.audited(id);
  assert.is(row?.id, details.decision_id);
  assert.is(row?.error_code, 'ip_not_allowed');
  assert.is(row?.decision?.reason, 'ip_not_allowed');
  assert.is(row?.decision?.failed_condition, 'ip_ranges');
  assert.is(row?.decision?.decided_by, null);
  const unknown = await house.ask('GET', '/v1/secrets/office/x', { headers: { 'x-forwarded-for': '203.0.113.7' } });
  assert.match(refusal(unknown).message, /not known here.*TRUSTED_PROXIES/);
});

test('a second factor: none, too old, fresh, and one from the future', async () => {
  await house.allow([
    { path_pattern: 'vault/*', permissions: ['read'], conditions: { require_mfa: true } },
    { path_pattern: 'safe/*', permissions: ['read'], conditions: { max_mfa_age: '5m' } },
  ]);
  const now = Math.floor(Date.now() / 1000);
  const outcome = async (path: string, claims: object) => {
    const answer = await house.ask('GET', `/v1/secrets/${path}`, { token: house.token({ ...claims }) });
    return answer.status === 404
      ? 'allowed'
      : `${answer.body.error.code} ${answer.body.error.details.failed_condition}`;
  };
  assert.is(await outcome('vault/x', {}), 'mfa_required require_mfa');
  assert.is(await outcome('vault/x', { mfa_verified_at: now - 11 * 3600 }), 'allowed');
  assert.is(await outcome('vault/x', { mfa_verified_at: now - 13 * 3600 }), 'mfa_required max_mfa_age');
  assert.is(await outcome('vault/x', { amr: ['pwd', 'otp'], auth_time: now - 60 }), 'allowed');
  assert.is(await outcome('vault/x', { amr: ['pwd'], auth_time: now }), 'mfa_required require_mfa');
  assert.is(await outcome('vault/x', { mfa_verified_at: now + 3600 }), 'mfa_required require_mfa');
  assert.is(await outcome('safe/x', { mfa_verified_at: now - 240 }), 'allowed');
  assert.is(await outcome('safe/x', { mfa_verified_at: now - 360 }), 'mfa_required max_mfa_age');
});

test('a rule that begins or ends at a moment does so for a server that has it in memory', async () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  await house.allow([
    { path_pattern: 'soon/x', permissions: ['read'], conditions: { not_before: at(1_500) } },
    { path_pattern: 'over/x', permissions: ['read'], conditions: { not_after: at(1_500) } },
  ]);
  assert.is(await reads('soon/x'), 'time_window_violation');
  assert.is(await reads('over/x'), 'allowed');
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  assert.is(await reads('soon/x'), 'allowed');
  assert.is(await reads('over/x'), 'time_window_violation');
});

test('conditions of a sys rule count for administration too', async () => {
  const body = {
    name: `cond-${requestId()}`.slice(0, 60).toLowerCase(),
    rules: [{ path_pattern: 'x', permissions: ['read'], effect: 'deny' }],
  };
  await house.allow(
    [{ path_pattern: 'policies', permissions: ['write'], kind: 'sys', conditions: { require_mfa: true } }],
    'user:usr_lead',
  );
  const lead = (claims: object = {}) => house.token({ sub: 'usr_lead', ...claims });
  assertError((await house.ask('POST', '/v1/policies', { token: lead(), body })).body, 'mfa_required');
  const fresh = lead({ mfa_verified_at: Math.floor(Date.now() / 1000) });
  assert.is((await house.ask('POST', '/v1/policies', { token: fresh, body })).status, 201);
  assertError(
    (await house.ask('POST', '/v1/policies', { token: house.token({ sub: 'usr_none' }), body })).body,
    'forbidden',
  );
});

test('who administers under conditions hands out no more than that, and weakens no deny rule by one', async () => {
  const here = { ip_ranges: ['127.0.0.0/8'] };
  await house.allow(
    [
      { path_pattern: 'team/**', permissions: ['admin'], conditions: here },
      { path_pattern: 'policies', permissions: ['write'], kind: 'sys' },
    ],
    'user:usr_team_lead',
  );
  const token = house.token({ sub: 'usr_team_lead' });
  const give = async (conditions: object | undefined, headers: Readonly<Record<string, string>> = {}) => {
    const rules = [{ path_pattern: 'team/a', permissions: ['read'], conditions }];
    const body = { name: `t${requestId().toLowerCase()}`, rules };
    return (await house.ask('POST', '/v1/policies', { token, body, headers })).status;
  };
  assert.is(await give({ ip_ranges: ['127.0.0.1'] }), 201);
  assert.is(await give({ ...here, require_mfa: true }), 201);
  assert.is(await give(undefined), 403);
  assert.is(await give({ ip_ranges: ['0.0.0.0/0'] }), 403);
  assert.is(await give({ ip_ranges: ['127.0.0.1'] }, { 'x-forwarded-for': '127.0.0.1' }), 403, 'does not hold it now');
  const rule = { path_pattern: 'team/secret', permissions: ['read'], effect: 'deny' };
  const wall = await house.allow([{ ...rule, conditions: { not_after: '2099-01-01T00:00:00Z' } }], 'group:all');
  const patch = async (conditions: object | undefined) => {
    const body = { rules: [{ ...rule, conditions }] };
    return (await house.ask('PATCH', `/v1/policies/${wall}`, { token, body })).status;
  };
  assert.is(await patch({ not_after: '2098-01-01T00:00:00Z' }), 403);
  assert.is(await patch({ not_after: '2099-01-01T00:00:00Z', ip_ranges: ['0.0.0.0/0', '::/0'] }), 403);
  assert.is(await patch({ not_after: '2100-01-01T00:00:00Z' }), 200);
  assert.is(await patch(undefined), 200);
  assert.is(await patch({ not_after: '2100-01-01T00:00:00Z' }), 403);
});

test('a policy is answered with its conditions and their defaults, and refused with the rule’s index', async () => {
  const token = house.adminToken();
  const create = (conditions: object, effect = 'allow') =>
    house.ask('POST', '/v1/policies', {
      token,
      body: {
        name: `c${requestId().toLowerCase()}`,
        rules: [
          { path_pattern: 'a', permissions: ['read'] },
          { path_pattern: 'b', permissions: ['read'], effect, conditions },
        ],
      },
    });
  const made = await create({ max_mfa_age: '1h', time_windows: [{ start: '22:00', end: '06:00', days: ['fri'] }] });
  assert.is(made.status, 201, made.text);
  const shown = await house.ask('GET', `/v1/policies/${made.body.id}`, { token });
  for (const { body } of [made, shown]) {
    assert.equal(body.rules[0], { path_pattern: 'a', permissions: ['read'], effect: 'allow', kind: 'secret' });
    assert.equal(body.rules[1].conditions, {
      require_mfa: true,
      max_mfa_age: '1h',
      time_windows: [{ days: ['fri'], start: '22:00', end: '06:00', timezone: 'UTC' }],
    });
  }
  assert.equal((await create({})).body.rules[1].conditions, undefined);
  for (const [conditions, status, code] of [
    [{ ip_ranges: ['10.0.0.0/33'] }, 400, 'invalid_policy'],
    [{ ip_ranges: ['10.0.0.1/8'] }, 400, 'invalid_policy'],
    [{ max_mfa_age: '12' }, 400, 'invalid_duration'],
    [{ time_windows: [{ start: '8:00', end: '9:00' }] }, 400, 'invalid_policy'],
    [{ time_windows: [{ start: '08:00', end: '09:00', timezone: 'Nowhere' }] }, 400, 'invalid_policy'],
    [{ not_after: '2026-01-01T00:00:00+01:00' }, 400, 'invalid_policy'],
    [{ ip_ranges: [] }, 422, 'validation_error'],
    [{ ip_ranges: '10.0.0.0/8' }, 422, 'validation_error'],
    [{ ip_ranges: Array.from({ length: 101 }, (_, at) => `10.0.0.${at}`) }, 422, 'validation_error'],
    [{ time_windows: [{ start: '08:00', end: '09:00', days: ['Monday'] }] }, 422, 'validation_error'],
    [{ require_mfa: 'true' }, 422, 'validation_error'],
    [{ ip_range: ['10.0.0.0/8'] }, 422, 'validation_error'],
    [null, 422, 'validation_error'],
  ] as const) {
    const { body, ...answer } = await create(conditions as object);
    assert.is(answer.status, status, answer.text);
    assertError(body, code);
    if (status === 400) assert.is(body.error.details.rule_index, 1);
  }
  assertError((await create({ require_mfa: true }, 'deny')).body, 'invalid_policy');
});

test('a tenant has an end to its ranges and windows, which a change that removes some may always make', async () => {
  const rules = (count: number, first: number) =>
    Array.from({ length: count }, (_, at) => ({
      path_pattern: 'a',
      permissions: ['read'],
      conditions: { ip_ranges: Array.from({ length: 100 }, (_, low) => `10.${first}.${at}.${low}`) },
    }));
  const token = house.adminToken();
  const create = (name: string, count: number) =>
    house.ask('POST', '/v1/policies', { token, body: { name, rules: rules(count, count) } });
  const many = await create('many-ranges', 90);
  assert.is(many.status, 201, many.text);
  const more = await create('more-ranges', 20);
  assert.is(more.status, 400);
  assert.match(more.body.error.message, /address ranges and time windows in its rules; 10000 are the most/);
  const patch = (count: number) =>
    house.ask('PATCH', `/v1/policies/${many.body.id}`, { token, body: { rules: rules(count, 1) } });
  assert.is((await patch(101)).status, 400);
  assert.is((await patch(80)).status, 200);
  assert.is((await create('more-ranges', 19)).status, 201);
  assert.is((await house.ask('DELETE', `/v1/policies/${many.body.id}`, { token })).status, 204);
});

// GHSA-59w7-v8rr-pr4p: what a token says must not become a pattern.
test('a claim that a template uses is compared and never read as a pattern or a path', async () => {
  await house.allow([{ path_pattern: 'home/{{identity.key}}/**', permissions: ['read'] }], 'group:people');
  const victim = house.token({ sub: 'victim', groups: ['people'] });
  assert.is((await house.ask('GET', '/v1/secrets/home/victim/x', { token: victim })).status, 404);
  const names = [
    '*',
    '**',
    '?',
    'v*',
    'victi?',
    '../victim',
    'victim/..',
    'home/victim',
    '.',
    '..',
    '/',
    'VICTIM',
    ' victim',
  ];
  const look = async (sub: string) => {
    const token = house.token({ sub, groups: ['people'] });
    const whoami = (await house.ask('GET', '/v1/auth/whoami', { token })).body;
    assert.match(whoami.identity_key, /^h-[a-z2-7]{26}$/, sub);
    for (const path of ['home/victim/x', 'home/x/x', 'home/h-aaaaaaaaaaaaaaaaaaaaaaaaaa/x']) {
      assert.is((await house.ask('GET', `/v1/secrets/${path}`, { token })).status, 403, `${sub} ${path}`);
    }
    assert.is((await house.ask('GET', `/v1/secrets/home/${whoami.identity_key}/x`, { token })).status, 404, sub);
  };
  await Promise.all([...names, '{{identity.key}}'].map(look));
});

test.run();
