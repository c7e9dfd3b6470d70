import type { TSchema } from 'typebox';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { ChangeRoute, Committed, GuardedRoute, Reply } from '../../src/contract/route.ts';
import { compileCheck } from '../../src/http/validation.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { policyRoutes } from '../../src/policy/routes.ts';
import { BindingInput, PolicyInput, PolicyPatchInput } from '../../src/policy/schemas.ts';
import type { NewBinding, NewPolicy, PolicyPatch } from '../../src/policy/types.ts';
import { suite } from '../support/suite.ts';
import { person } from './house.ts';

const test = suite('requests about policies');

const ID = 'pol_01hk7x9z0000000000000000ab';
const RULE = { path_pattern: 'app/*', permissions: ['read'] };
const POLICY = { name: 'readers', rules: [RULE] };
const BINDING = { identity_type: 'user', identity_id: 'user:bob' };
const AT = new Date('2026-11-23T12:00:00.123Z');

let asked: unknown[] = [];
const service = {
  create: async (_: unknown, input: NewPolicy) => {
    asked.push(input);
    const value = { ...input, id: ID, version: 1, scope: 'tenant', warnings: [], createdAt: AT, updatedAt: AT };
    return { value } as unknown as Committed<never>;
  },
  read: async (_: unknown, id: string) =>
    ({
      ...POLICY,
      id,
      description: '',
      scope: 'tenant',
      isActive: true,
      version: 3,
      warnings: [],
      createdAt: AT,
      updatedAt: AT,
    }) as never,
  bind: async (_: unknown, id: string, input: NewBinding) => {
    asked.push(input);
    const binding = { id: 'bnd_1', policyId: id, subject: person('bob').subject, ...input, createdAt: AT };
    return { value: { binding, created: true } } as unknown as Committed<never>;
  },
  update: async (_: unknown, id: string, input: PolicyPatch, expected: number | null) => {
    asked.push(input, expected);
    const value = { ...POLICY, id, version: 4, scope: 'tenant', warnings: [], createdAt: AT, updatedAt: AT };
    return { value } as unknown as Committed<never>;
  },
  remove: async (...given: readonly unknown[]) => {
    asked.push(...given.slice(1));
    return { value: null } as unknown as Committed<never>;
  },
};
const cursors = { clock: systemClock(), mac: (message: Buffer) => message };
const routes = policyRoutes(service as never, cursors) as readonly GuardedRoute[];
const routeOf = <R extends GuardedRoute>(method: string, path: string) =>
  routes.find((route) => route.method === method && route.path === `/v1/policies${path}`) as R;
const create = routeOf<ChangeRoute>('POST', '');
const bind = routeOf<ChangeRoute>('POST', '/{id}/bindings');
const replace = routeOf<ChangeRoute>('PUT', '/{id}');
const patch = routeOf<ChangeRoute>('PATCH', '/{id}');
const remove = routeOf<ChangeRoute>('DELETE', '/{id}');
const rollBack = routeOf<ChangeRoute>('POST', '/{id}:rollback');
const unbind = routeOf<ChangeRoute>('DELETE', '/{id}/bindings/{binding_id}');

/** @param more of the call: a query, headers, other parameters */
async function send(route: ChangeRoute, body: unknown, more: object = {}): Promise<Reply> {
  asked = [];
  const call = { body, params: { id: ID }, query: {}, ifMatch: null, ifNoneMatch: null, ...more } as never;
  return route.reply((await route.run(call)).value, call);
}

/** Fields that the validator refuses. */
function refusedFields(schema: TSchema, body: unknown): readonly string[] {
  try {
    compileCheck(schema)(body, 'body');
    return [];
  } catch (error) {
    if (error instanceof ApiError) return Object.keys(error.details?.fields as object);
    throw error;
  }
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  return work.then(
    () => assert.unreachable('was not refused') as never,
    (error: unknown) => error as ApiError,
  );
}

test('need a scope, and a role or a rule of kind sys', () => {
  for (const route of routes) {
    // What was taken out of a policy, and by whom, is shown to administrators alone.
    if (route.path.endsWith(':history')) {
      assert.equal(route.authority, { type: 'role', role: 'tenant_admin' });
      continue;
    }
    const verb = route.effect === 'read' ? 'read' : 'write';
    assert.is(route.scope, `policies:${verb}`);
    assert.is(route.category, 'POLICY');
    assert.equal(route.authority, { type: 'role', role: 'tenant_admin', sys: { path: 'policies', permission: verb } });
  }
});

test('a policy is answered in full, with defaults, times in milliseconds and its version as ETag', async () => {
  const { status, body, headers } = await send(create, POLICY);
  assert.is(status, 201);
  assert.equal(headers, { ETag: '"1"' });
  assert.equal(body, {
    id: ID,
    name: 'readers',
    description: '',
    scope: 'tenant',
    is_active: true,
    version: 1,
    rules: [{ ...RULE, effect: 'allow', kind: 'secret' }],
    created_at: '2026-11-23T12:00:00.123Z',
    updated_at: '2026-11-23T12:00:00.123Z',
    warnings: [],
  });
});

test('an id of another form names no policy', async () => {
  for (const id of ['', 'x', 'pol_', 'POL_01hk7x9z0000000000000000ab', `${ID}x`, 'bnd_01hk7x9z0000000000000000ab']) {
    for (const route of routes.filter(({ path }) => path.includes('{id}'))) {
      const call = { params: { id, binding_id: 'bnd_01hk7x9z0000000000000000ab' }, body: POLICY, query: {} };
      const error = await refusal(route.run(call as never) as Promise<unknown>);
      assert.is(error.code, 'policy_not_found', `${route.method} ${route.path} ${id}`);
    }
  }
});

test('what is unknown, missing or too much is refused by its name', () => {
  const rule = (changes: object) => ({ ...POLICY, rules: [{ ...RULE, ...changes }] });
  assert.equal(refusedFields(PolicyInput, POLICY), []);
  assert.equal(refusedFields(PolicyInput, { ...POLICY, extra: 1 }), ['extra']);
  assert.equal(refusedFields(PolicyInput, rule({ conditions: { ip: 1 } })), ['rules.0.conditions.ip']);
  assert.equal(refusedFields(PolicyInput, rule({ path_patern: 'x' })), ['rules.0.path_patern']);
  assert.equal(refusedFields(PolicyInput, JSON.parse('{"name":"a","rules":[],"__proto__":{}}')).length > 0, true);
  for (const bad of [
    { ...POLICY, rules: [] },
    { ...POLICY, rules: Array(1001).fill(RULE) },
    { ...POLICY, scope: 'partner' },
    { ...POLICY, description: 'x'.repeat(1025) },
    { ...POLICY, name: 'x'.repeat(129) },
    { ...POLICY, is_active: 'yes' },
    { rules: [RULE] },
    rule({ permissions: [] }),
    rule({ permissions: ['read', 'read'] }),
    rule({ permissions: ['sign'] }),
    rule({ permissions: 'read' }),
    rule({ effect: 'DENY' }),
    rule({ kind: 'secrets' }),
    rule({ path_pattern: 7 }),
    null,
    [],
  ]) {
    assert.ok(refusedFields(PolicyInput, bad).length > 0, JSON.stringify(bad)?.slice(0, 80));
  }
});

test('a name has one spelling (CVE-2025-5999)', async () => {
  for (const name of [
    'Readers',
    'READERS',
    ' readers',
    'readers ',
    'rеaders',
    'ｒeaders',
    '.x',
    '-x',
    'a/b',
    'a\0',
    '',
  ]) {
    const error = await refusal(send(create, { ...POLICY, name }));
    assert.is(error.code, 'validation_error', name);
    assert.not(error.message.includes('readers'));
  }
});

test('the form of an identity fits its type', async () => {
  const forms: Record<string, readonly string[]> = {
    user: ['user:bob', 'usr_1'],
    service_account: ['sa:backup'],
    group: ['group:ops', 'grp_1'],
  };
  for (const [type, ids] of Object.entries(forms)) {
    for (const id of Object.values(forms).flat()) {
      const sent = send(bind, { identity_type: type, identity_id: id });
      if (ids.includes(id)) assert.is((await sent).status, 201);
      else assert.is((await refusal(sent)).code, 'validation_error', `${type} ${id}`);
    }
  }
  for (const id of ['bob', 'user:', 'USER:bob', 'sa']) {
    assert.is((await refusal(send(bind, { ...BINDING, identity_id: id }))).code, 'validation_error', id);
  }
  assert.ok(refusedFields(BindingInput, { ...BINDING, identity_id: 'user:a\0' }).includes('identity_id'));
  assert.ok(refusedFields(BindingInput, { ...BINDING, identity_type: 'partner' }).includes('identity_type'));
  assert.ok(refusedFields(BindingInput, { ...BINDING, tenant_id: 'other' }).includes('tenant_id'));
});

test('an id of another form names no binding', async () => {
  for (const id of ['', 'x', 'bnd_', 'BND_01hk7x9z0000000000000000ab', 'bnd_01hk7x9z0000000000000000ab:x', ID]) {
    const error = await refusal(send(unbind, null, { params: { id: ID, binding_id: id } }));
    assert.is(error.code, 'binding_not_found', id);
  }
});

test('a replacement names everything, a patch only what changes', async () => {
  await send(replace, POLICY);
  assert.equal(asked[0], {
    name: 'readers',
    description: '',
    isActive: true,
    rules: [{ ...RULE, effect: 'allow', kind: 'secret' }],
  });
  await send(patch, { is_active: false });
  assert.equal(asked[0], { isActive: false });
  await send(patch, { description: '', scope: 'tenant' });
  assert.equal(asked[0], { description: '' });
  for (const bad of [
    {},
    { scope: 'partner' },
    { name: null },
    { rules: [] },
    { rules: Array(1001).fill(RULE) },
    { version: 3 },
    { id: ID },
    null,
    [],
  ]) {
    assert.ok(refusedFields(PolicyPatchInput, bad).length > 0, JSON.stringify(bad)?.slice(0, 80));
  }
});

test('a change says which version it has seen, in one form', async () => {
  for (const [route, body] of [
    [replace, POLICY],
    [patch, { is_active: true }],
    [remove, null],
  ] as const) {
    await send(route, body, { ifMatch: '"7"' });
    assert.is(asked.at(-1), 7);
    await send(route, body);
    assert.is(asked.at(-1), null);
    for (const ifMatch of ['7', '*', 'W/"7"', '"0"', '"07"', '"7", "8"', '""', '"-1"', '"99999999999"']) {
      assert.is((await refusal(send(route, body, { ifMatch }))).code, 'invalid_request', ifMatch);
    }
    assert.is((await refusal(send(route, body, { ifNoneMatch: '*' }))).code, 'invalid_request');
  }
});

test('a deletion takes bindings with it only when it is told to', async () => {
  await send(remove, null, { query: { force: 'true' } });
  assert.is(asked[1], true);
  for (const query of [{ force: 'false' }, {}]) {
    const reply = await send(remove, null, { query });
    assert.is(asked[1], false);
    assert.is(reply.status, 204);
    assert.is(reply.body, undefined);
  }
  for (const force of ['yes', '1', '', 'TRUE']) {
    assert.ok(refusedFields(remove.query, { force }).length > 0, force);
  }
});

test('a rollback names a version that there may be', () => {
  assert.equal(refusedFields(rollBack.body as TSchema, { version: 1 }), []);
  for (const version of [0, -1, 1.5, '1', null, 2 ** 31, Number.NaN]) {
    assert.ok(refusedFields(rollBack.body as TSchema, { version }).length > 0, `${version}`);
  }
});

test('an end is a time in UTC that exists', async () => {
  const sent = (expires_at: unknown) => send(bind, { ...BINDING, expires_at });
  const { body } = await sent('2030-01-31T12:00:00Z');
  assert.is((body as { expires_at: string }).expires_at, '2030-01-31T12:00:00.000Z');
  await sent(null);
  assert.is((asked[0] as NewBinding).expiresAt, null);
  for (const bad of [
    '2030-02-30T12:00:00Z',
    '2030-01-31T12:00:00',
    '2030-01-31T12:00:00+01:00',
    '2030-01-31',
    'soon',
    '',
  ]) {
    assert.is((await refusal(sent(bad))).code, 'validation_error', bad);
  }
});

test.run();
