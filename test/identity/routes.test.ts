import { Value } from 'typebox/value';
import * as assert from 'uvu/assert';
import { systemDraft } from '../../src/audit/service.ts';
import type { Call, GuardedRoute, Reply } from '../../src/contract/route.ts';
import { identityRoutes } from '../../src/identity/routes.ts';
import { suite } from '../support/suite.ts';
import { refusal } from './fixtures.ts';
import { type House, openHouse, type Replica } from './house.ts';

const test = suite('identity over HTTP');
let house: House;
let replica: Replica;
let routes: GuardedRoute[];

test.before(async () => {
  house = await openHouse();
  replica = await house.replica();
  routes = identityRoutes(replica.service);
  await house.rows("INSERT INTO partners (partner_id) VALUES ('ptn_1')");
  await house.rows("INSERT INTO tenants (tenant_id, partner_id) VALUES ('tnt_a', 'ptn_1')");
});
test.after(() => house.close());

function route(method: string, path: string): GuardedRoute {
  return routes.find((candidate) => candidate.method === method && candidate.path === path)!;
}

/** Runs a route as the pipeline does once everything before it is done. */
async function run(asked: GuardedRoute, claims: Record<string, unknown>, body: unknown = null): Promise<Reply> {
  const { service } = replica;
  const holder = await service.authenticate(house.issuer.mint(claims));
  const { principal, tenant } = await service.enter(holder, { prefix: null, header: null });
  const call = {
    principal,
    tenant,
    roles: () => service.effectiveRoles(principal, tenant),
    params: {},
    query: {},
    body,
    draft: systemDraft(house.clock, { action: asked.action, tenantId: tenant.tenantId }),
  } as unknown as Call<unknown, unknown>;
  if (asked.effect === 'read') return asked.run(call);
  return asked.reply((await asked.run(call)).value, call);
}

function matchesSchema(asked: GuardedRoute, reply: Reply): void {
  const schema = asked.responses[reply.status]?.schema;
  assert.ok(schema);
  assert.ok(Value.Check(schema, reply.body), JSON.stringify([...Value.Errors(schema, reply.body)]));
}

test('whoami tells a user who they are', async () => {
  const whoami = route('GET', '/v1/auth/whoami');
  const expires = Math.floor(Date.now() / 1000) + 600;
  const reply = await run(whoami, {
    name: 'Alice',
    role: 'tenant_admin',
    groups: ['ops', 'dev'],
    scope: 'secrets:write secrets:read openid',
    mfa_verified_at: '2026-01-02T03:04:05Z',
    exp: expires,
  });
  assert.is(reply.status, 200);
  assert.equal(reply.body, {
    identity_id: 'user:alice@example.com',
    identity_key: 'usr_alice',
    identity_type: 'user',
    display_name: 'Alice',
    tenant_id: 'tnt_a',
    partner_id: 'ptn_1',
    scopes: ['secrets:read', 'secrets:write'],
    groups: ['ops', 'dev'],
    roles: ['tenant_admin'],
    mfa_verified_at: '2026-01-02T03:04:05.000Z',
    token_expires_at: new Date(expires * 1000).toISOString(),
  });
  matchesSchema(whoami, reply);
});

test('whoami tells a service account who it is', async () => {
  const whoami = route('GET', '/v1/auth/whoami');
  const reply = await run(whoami, { sub: 'Backup.Robot', client_id: 'Backup.Robot', email: undefined });
  const body = reply.body as Record<string, unknown>;
  assert.is(body.identity_id, 'sa:Backup.Robot');
  assert.is(body.identity_type, 'service_account');
  assert.match(String(body.identity_key), /^h-[a-z2-7]{26}$/);
  assert.is(body.mfa_verified_at, null);
  matchesSchema(whoami, reply);
});

test('whoami needs a token and nothing more', () => {
  const { authority, scope, category, action, effect } = route('GET', '/v1/auth/whoami');
  assert.equal([authority, scope, category, action, effect], [{ type: 'self' }, null, 'AUTH', 'auth', 'read']);
});

test('a tenant is made by a super_admin with scope identity:admin', async () => {
  const asked = route('POST', '/v1/identity/tenants');
  assert.equal([asked.authority, asked.scope], [{ type: 'role', role: 'super_admin' }, 'identity:admin']);
  const body = { tenant_id: 'tnt_new', partner_id: 'ptn_new' };
  const made = await run(asked, {}, body);
  assert.equal([made.status, made.body], [201, { ...body, created: true }]);
  matchesSchema(asked, made);
  const again = await run(asked, {}, body);
  assert.equal([again.status, again.body], [200, { ...body, created: false }]);
  const moved = await refusal(run(asked, {}, { ...body, partner_id: 'ptn_1' }));
  assert.is(moved.status, 409);
});

test('an id that no provider would give is refused before anything is done', async () => {
  const asked = route('POST', '/v1/identity/tenants');
  const good = { tenant_id: 'tnt_x', partner_id: 'ptn_x' };
  assert.ok(asked.body !== null && Value.Check(asked.body, good));
  for (const bad of ['', '_system', '.', 'a/b', 'a b', 'x'.repeat(129), 'tnt_x\n']) {
    assert.not.ok(Value.Check(asked.body, { ...good, tenant_id: bad }) && bad !== 'tnt_x\n');
    for (const field of ['tenant_id', 'partner_id']) {
      const error = await refusal(run(asked, {}, { ...good, [field]: bad }));
      assert.equal(error.details, { fields: { [field]: 'is no legal id' } });
    }
  }
  assert.not.ok(Value.Check(asked.body, { ...good, extra: 1 }));
});

test.run();
