/** Tenants apart: made from the table of routes, so that a new route is tested without anybody thinking of it. */
import * as assert from 'uvu/assert';
import type { GuardedRoute } from '../../src/contract/route.ts';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse, table } from './house.ts';

const test = suite('tenants');
let house: House;
let policyId: string;
let bindingId: string;
const OTHER = 'tnt_other';

/** A legal body of each call that takes one. */
const BODIES: Readonly<Record<string, unknown>> = {
  'PUT /v1/secrets/{path}': { data: { a: 1 } },
  'PATCH /v1/secrets/{path}': { data: { a: 1 } },
  'PATCH /v1/secrets/{path}:metadata': { options: { max_versions: 0 } },
  'POST /v1/secrets/{path}:destroy': { versions: [1] },
  'POST /v1/secrets/{path}:rollback': { version: 1 },
  'POST /v1/secrets/batch': { paths: ['app/db'] },
  'POST /v1/secrets/batch:metadata': { paths: ['app/db'] },
  'POST /v1/policies': { name: 'intruder', rules: [{ path_pattern: '**', permissions: ['read'] }] },
  'PUT /v1/policies/{id}': { name: 'intruded', rules: [{ path_pattern: 'none', permissions: ['read'] }] },
  'PATCH /v1/policies/{id}': { is_active: false },
  'POST /v1/policies/{id}:rollback': { version: 1 },
  'POST /v1/policies/test': { identity_id: 'user:usr_mallory', path: 'app/db', permission: 'read' },
  'POST /v1/policies/{id}/bindings': { identity_type: 'user', identity_id: 'user:usr_mallory' },
  'POST /v1/identity/tenants': { tenant_id: 'tnt_third', partner_id: 'ptn_third' },
};

const guarded = table().filter((route) => route.effect !== 'public') as readonly GuardedRoute[];
const nameOf = ({ method, path }: GuardedRoute) => `${method} ${path}`;
const targetOf = ({ path }: GuardedRoute) =>
  path.replace('{path}', 'app/db').replace('{id}', policyId).replace('{binding_id}', bindingId);
const bodyOf = (route: GuardedRoute) => (route.body === null ? {} : { body: BODIES[nameOf(route)] });

/** Mallory, of another tenant, who may do anything there. */
const mallory = () => house.token({ sub: 'usr_mallory', tenant_id: OTHER });

async function stateOfHome(): Promise<unknown> {
  const [state] = await house.sql<object>(
    `SELECT (SELECT count(*) FROM policies WHERE tenant_id = $1) AS policies,
       (SELECT sum(version) FROM policies WHERE tenant_id = $1) AS policy_versions,
       (SELECT count(*) FROM policy_bindings WHERE tenant_id = $1) AS bindings,
       (SELECT string_agg(concat_ws(' ', path, current_version, max_versions, expires_at, deleted_at), ', ')
          FROM secrets WHERE tenant_id = $1) AS secrets,
       (SELECT count(*) FROM secret_versions WHERE tenant_id = $1 AND unreadable_at IS NULL) AS readable_versions,
       (SELECT policy_epoch FROM tenants WHERE tenant_id = $1) AS epoch`,
    [house.tenantId],
  );
  return state;
}

test.before(async () => {
  house = await startHouse();
  policyId = await house.allow([{ path_pattern: '**', permissions: ['read', 'write'] }]);
  const [binding] = await house.sql<{ id: string }>('SELECT id FROM policy_bindings WHERE policy_id = $1', [policyId]);
  bindingId = binding?.id ?? '';
  const written = await house.ask('PUT', '/v1/secrets/app/db', { body: { data: { password: 'of home' } } });
  assert.is(written.status, 201, written.text);
  const made = await house.ask('POST', '/v1/identity/tenants', {
    token: house.adminToken(),
    body: { tenant_id: OTHER, partner_id: 'ptn_other' },
  });
  assert.is(made.status, 201, made.text);
  await house.allow(
    [
      { path_pattern: '**', permissions: ['admin'] },
      { path_pattern: '**', permissions: ['admin'], kind: 'sys' },
    ],
    'user:usr_mallory',
    OTHER,
  );
});
test.after(() => house.stop());

test('every call that takes a body has an example here', () => {
  for (const route of guarded) if (route.body !== null) assert.ok(nameOf(route) in BODIES, nameOf(route));
});

for (const route of guarded) {
  test(`${nameOf(route)} of another tenant: 403 by path and by header, and nothing happens there`, async () => {
    const before = await stateOfHome();
    const prefixed = targetOf(route).replace('/v1/', `/v1/t/${house.tenantId}/`);
    const ways = [
      { target: prefixed, headers: {} },
      { target: targetOf(route), headers: { 'x-tenant-id': house.tenantId } },
      { target: prefixed, headers: { 'x-tenant-id': house.tenantId } },
    ];
    for (const { target, headers } of ways) {
      const id = requestId();
      const asked = { token: mallory(), ...bodyOf(route), headers: { ...headers, 'x-request-id': id } };
      const answer = await house.ask(route.method, target, asked);
      assert.is(answer.status, 403, `${target} ${answer.text}`);
      assertError(answer.body, 'tenant_access_denied');
      assert.not.match(answer.text, /of home/);
      const [row, ...more] = await house.audited(id);
      assert.equal(more, []);
      assert.is(row?.success, false);
      assert.is(row?.error_code, 'tenant_access_denied');
      assert.is(row?.identity_id, 'user:alice@example.com', 'who it was is in the entry');
      assert.is.not(row?.tenant_id, house.tenantId, 'a stranger does not write into the tenant’s log');
    }
    assert.equal(await stateOfHome(), before);
  });

  test(`${nameOf(route)} at home with another tenant's id or path: as if that did not exist`, async () => {
    const before = await stateOfHome();
    const answer = await house.ask(route.method, targetOf(route), { token: mallory(), ...bodyOf(route) });
    assert.not.match(answer.text, /of home/);
    if (route.path.includes('{id}')) {
      // The history takes a role, which Mallory has nowhere.
      const [status, code] = route.path.endsWith(':history') ? [403, 'forbidden'] : [404, 'policy_not_found'];
      assert.is(answer.status, status, answer.text);
      assertError(answer.body, String(code));
    }
    if (route.method === 'GET' && route.path.includes('{path}')) assert.ok([200, 404].includes(answer.status));
    assert.equal(await stateOfHome(), before);
  });
}

test('a path and a header that name two tenants are refused', async () => {
  const answer = await house.ask('GET', `/v1/t/${house.tenantId}/secrets/app/db`, {
    headers: { 'x-tenant-id': OTHER },
  });
  assert.is(answer.status, 400);
  assertError(answer.body, 'invalid_request');
});

test("one's own tenant may be named by path, by header and by both", async () => {
  const header = { 'x-tenant-id': house.tenantId };
  for (const [path, headers] of [
    [`/v1/t/${house.tenantId}/secrets/app/db`, {}],
    ['/v1/secrets/app/db', header],
    [`/v1/t/${house.tenantId}/secrets/app/db`, header],
  ] as const) {
    const answer = await house.ask('GET', path, { headers });
    assert.is(answer.status, 200, answer.text);
    assert.is(answer.body.path, 'app/db');
  }
});

test('other spellings of a tenant are not that tenant', async () => {
  const { tenantId } = house;
  const spellings = [
    tenantId.toUpperCase(),
    `%74${tenantId.slice(1)}`,
    `${tenantId}%00`,
    `${tenantId}.`,
    '_system',
    ' ',
  ];
  for (const spelling of spellings) {
    const answer = await house.ask('GET', `/v1/t/${encodeURI(spelling).replaceAll('%25', '%')}/secrets/app/db`);
    assert.is(answer.status, 403, `${spelling} ${answer.text}`);
    assertError(answer.body, 'tenant_access_denied');
  }
  for (const spelling of ['', tenantId.toUpperCase(), `${tenantId},${tenantId}`, '*', '_system']) {
    const answer = await house.ask('GET', '/v1/secrets/app/db', { headers: { 'x-tenant-id': spelling } });
    assert.is(answer.status, 403, `${spelling} ${answer.text}`);
  }
});

test('a tenant that is unknown and one that is foreign look the same', async () => {
  const known = await house.ask('GET', `/v1/t/${OTHER}/secrets/app/db`);
  const unknown = await house.ask('GET', '/v1/t/tnt_never_heard_of/secrets/app/db');
  assert.is(known.status, unknown.status);
  const shape = ({ request_id: _, ...rest }: Record<string, unknown>) => rest;
  assert.equal(shape(known.body.error), shape(unknown.body.error));
});

test('two tenants have a secret each at one path', async () => {
  const foreign = { token: mallory() };
  const written = await house.ask('PUT', '/v1/secrets/app/same', { ...foreign, body: { data: { of: 'other' } } });
  assert.is(written.status, 201, written.text);
  assert.is((await house.ask('PUT', '/v1/secrets/app/same', { body: { data: { of: 'home' } } })).status, 201);
  assert.equal((await house.ask('GET', '/v1/secrets/app/same', foreign)).body.data, { of: 'other' });
  assert.equal((await house.ask('GET', '/v1/secrets/app/same')).body.data, { of: 'home' });
});

test.run();
