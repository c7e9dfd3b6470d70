import { createHmac } from 'node:crypto';
import * as assert from 'uvu/assert';
import type { PolicyId, PolicyName } from '../../src/contract/names.ts';
import type { Principal, Tenant } from '../../src/contract/principal.ts';
import type { ReadRoute } from '../../src/contract/route.ts';
import { policyRoutes } from '../../src/policy/routes.ts';
import { statement } from '../../src/postgres/database.ts';
import { suite } from '../support/suite.ts';
import { ACME, allow, grant, type House, named, OTHER, openHouse, person, refusal } from './house.ts';

const test = suite('lists of policies');

let house: House;
let ids: PolicyId[];
test.before(async () => {
  house = await openHouse();
  ids = [];
  for (let n = 0; n < 25; n++)
    ids.push((await house.policies.create(admin(), named(`list-${n}`, allow('a')))).value.id);
  await grant(house, 'user:far', [allow('far')], { tenant: OTHER });
});
test.after(() => house.close());

const admin = () => house.asks(person('root'), ['tenant_admin']);

interface Asked {
  readonly query?: Readonly<Record<string, string>>;
  readonly who?: Principal;
  readonly tenant?: Tenant;
  readonly id?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a JSON body of any list
type Body = any;

/** The answer of a list, by its route and with real cursors. */
async function ask(path: string, { query = {}, who = person('root'), tenant = ACME, id }: Asked = {}): Promise<Body> {
  const mac = (message: Buffer) => createHmac('sha256', 'key').update(message).digest();
  const routes = policyRoutes(house.policies, { clock: house.clock, mac });
  const route = routes.find((each) => each.method === 'GET' && each.path === path) as ReadRoute;
  const call = { ...house.asks(who, ['tenant_admin'], tenant), query, params: { id: id ?? '' }, body: null };
  return (await route.run(call as never)).body;
}
const list = (asked?: Asked) => ask('/v1/policies', asked);
const bindings = (id: string, asked: Asked = {}) => ask('/v1/policies/{id}/bindings', { ...asked, id });
const history = (id: string, asked: Asked = {}) => ask('/v1/policies/{id}:history', { ...asked, id });

/** All pages of a list, one after the other. */
async function walk(read: (query: Record<string, string>) => Promise<Body>, limit: string, between = async () => {}) {
  const pages: Body[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: Body = await read({ limit, ...(cursor === null ? {} : { cursor }) });
    pages.push(page);
    assert.is(page.has_more, page.cursor !== null);
    if (page.cursor === null) return pages;
    cursor = page.cursor;
    await between();
  }
}

test('show every policy once, in the order of creation, whatever is renamed or made meanwhile', async () => {
  let turn = 0;
  const pages = await walk(
    (query) => list({ query: { q: 'list-', ...query } }),
    '7',
    async () => {
      const name = (turn++ % 2 === 0 ? `zz-list-${turn}` : `a-list-${turn}`) as PolicyName;
      await house.policies.update(admin(), ids[turn]!, { name }, null);
    },
  );
  assert.equal(
    pages.flatMap(({ policies }) => policies.map((each: Body) => each.id)),
    ids,
  );
  assert.equal(
    pages.map(({ policies }) => policies.length),
    [7, 7, 7, 4],
  );
  const whole = await list({ query: { q: 'list-', limit: '25' } });
  assert.equal([whole.has_more, whole.cursor], [false, null]);
});

test('say how much a policy holds, and leave out bindings that have ended', async () => {
  const { value } = await house.policies.create(admin(), named('counted', allow('a'), allow('b')));
  for (const who of ['user:a', 'user:b', 'user:c']) {
    const binding = { identityType: 'user', identityId: who, expiresAt: null } as const;
    await house.policies.bind(admin(), value.id, binding);
  }
  const end =
    "UPDATE policy_bindings SET expires_at = now() - interval '1 s' WHERE policy_id = $1 AND subject_id = 'a'";
  await house.db.query(statement('t.end', end), [value.id]);
  const { policies } = await list({ query: { q: 'counted' } });
  assert.equal(policies, [
    {
      id: value.id,
      name: 'counted',
      rule_count: 2,
      binding_count: 2,
      is_active: true,
      created_at: value.createdAt.toISOString(),
      updated_at: value.updatedAt.toISOString(),
    },
  ]);
});

test('find by a part of name or description, taken literally, and by whether it counts', async () => {
  const make = async (name: string, description: string) =>
    (await house.policies.create(admin(), { ...named(name, allow('a')), description })).value.id;
  const [billing, payroll] = [await make('find.billing', '100% of Billing_'), await make('find.payroll', 'Löhne')];
  await house.policies.update(admin(), payroll, { isActive: false }, null);
  const found = async (query: Record<string, string>) => (await list({ query })).policies.map((each: Body) => each.id);
  assert.equal(await found({ q: 'find.' }), [billing, payroll]);
  assert.equal(await found({ q: 'FIND.' }), [billing, payroll]);
  assert.equal(await found({ q: 'billing_' }), [billing]);
  assert.equal(await found({ q: '0% of b' }), [billing]);
  assert.equal(await found({ q: 'lÖhNE' }), []);
  assert.equal(await found({ q: 'löHNE' }), [payroll]);
  assert.equal(await found({ q: 'find%' }), []);
  assert.equal(await found({ q: "'; DROP TABLE policies; --" }), []);
  assert.equal(await found({ q: 'find.', is_active: 'false' }), [payroll]);
  assert.equal(await found({ q: 'find.', is_active: 'true' }), [billing]);
});

test('of another tenant show nothing, and an empty one is an empty page', async () => {
  const there = await list({ tenant: OTHER });
  assert.equal(there.policies.length, 1);
  assert.not(ids.includes(there.policies[0].id));
  assert.equal(await list({ query: { q: 'no such thing' } }), { policies: [], cursor: null, has_more: false });
});

test('a cursor belongs to its query, list, tenant and person, and is not to be changed', async () => {
  const query = { q: 'list-', limit: '3' };
  const { cursor } = await list({ query });
  const id = ids[0]!;
  const [payload, tag] = cursor.split('.');
  const forged = Buffer.from(JSON.stringify([Date.now() + 9e9, 'pol_'])).toString('base64url');
  const attempts = [
    list({ query: { ...query, q: 'list', cursor } }),
    list({ query: { limit: '3', cursor } }),
    list({ query: { ...query, is_active: 'true', cursor } }),
    list({ query: { ...query, cursor }, tenant: OTHER }),
    list({ query: { ...query, cursor }, who: person('eve') }),
    list({ query: { ...query, cursor }, who: person('root', { issuer: 'https://evil.example' }) }),
    bindings(id, { query: { cursor } }),
    history(id, { query: { cursor } }),
    ...[
      '',
      '.',
      'x',
      `${cursor}x`,
      `x${cursor}`,
      `${payload}.`,
      `.${tag}`,
      `${forged}.${tag}`,
      `${payload}.${tag}.`,
    ].map((text) => list({ query: { ...query, cursor: text } })),
  ];
  for (const [at, error] of (await Promise.all(attempts.map(refusal))).entries()) {
    assert.is(error.code, 'invalid_cursor', `attempt ${at}`);
  }
  // The limit is none of its business.
  assert.is((await list({ query: { ...query, limit: '5', cursor } })).policies.length, 5);
  house.clock.laterMs = 25 * 3_600_000;
  try {
    assert.is((await refusal(list({ query: { ...query, cursor } }))).code, 'invalid_cursor');
  } finally {
    house.clock.laterMs = 0;
  }
});

test('of bindings show those that have ended too, and say so', async () => {
  const { value } = await house.policies.create(admin(), named('bound', allow('a')));
  const made: string[] = [];
  for (let n = 0; n < 9; n++) {
    const expiresAt = n === 4 ? new Date('2030-01-31T12:00:00Z') : null;
    const asked = { identityType: 'user', identityId: `user:b${n}`, expiresAt } as const;
    made.push((await house.policies.bind(admin(), value.id, asked)).value.binding.id);
  }
  const end = statement('t.end_one', "UPDATE policy_bindings SET expires_at = now() - interval '1 s' WHERE id = $1");
  await house.db.query(end, [made[2]!]);
  const pages = await walk((query) => bindings(value.id, { query }), '4');
  const all: Body[] = pages.flatMap((page) => page.bindings);
  assert.equal(
    all.map(({ id }) => id),
    made,
  );
  assert.equal(
    all.map(({ expired }) => expired),
    made.map((_, n) => n === 2),
  );
  assert.equal(all[4], {
    id: made[4],
    policy_id: value.id,
    identity_type: 'user',
    identity_id: 'user:b4',
    subject: { issuer: 'https://id.example', tenant_id: 'acme', id: 'b4' },
    expires_at: '2030-01-31T12:00:00.000Z',
    expired: false,
    created_at: all[4].created_at,
  });
  assert.equal(await bindings(ids[0]!), { bindings: [], cursor: null, has_more: false });
});

test('the history shows each state, what made it and who, and outlives the policy', async () => {
  const { value } = await house.policies.create(admin(), named('storied', allow('h/1')));
  const other = () => house.asks(person('zoe'), ['tenant_admin']);
  await house.policies.update(other(), value.id, { rules: [allow('h/2'), allow('h/3')], isActive: false }, null);
  await house.policies.rollback(admin(), value.id, 1, null);
  await house.policies.remove(other(), value.id, true, null);
  const { versions } = await history(value.id);
  assert.equal(
    versions.map(({ changed_at: _, description: __, ...version }: Body) => version),
    [
      [4, 'deleted', null, true, [allow('h/1')], 'user:zoe'],
      [3, 'rolled_back', 1, true, [allow('h/1')], 'user:root'],
      [2, 'updated', null, false, [allow('h/2'), allow('h/3')], 'user:zoe'],
      [1, 'created', null, true, [allow('h/1')], 'user:root'],
    ].map(([version, change, from_version, is_active, rules, changed_by]) => ({
      version,
      change,
      from_version,
      name: 'storied',
      is_active,
      rules,
      changed_by,
    })),
  );
  const pages = await walk((query) => history(value.id, { query }), '3');
  assert.equal(
    pages.map((page) => page.versions.map((each: Body) => each.version)),
    [[4, 3, 2], [1]],
  );
});

test('a page of a history ends where its rules become too many bytes', async () => {
  const wide = Array.from({ length: 1_000 }, (_, n) => allow(`${`${n}-`.padEnd(1_000, 'x')}`));
  const { value } = await house.policies.create(admin(), named('wide', ...wide));
  for (let n = 0; n < 7; n++) await house.policies.update(admin(), value.id, { description: `${n}` }, null);
  const pages = await walk((query) => history(value.id, { query }), '1000');
  assert.ok(pages.length > 1, `${pages.length} pages`);
  for (const page of pages) assert.ok(JSON.stringify(page).length < 6 * 1024 * 1024);
  assert.equal(
    pages.flatMap((page) => page.versions.map((each: Body) => each.version)),
    [8, 7, 6, 5, 4, 3, 2, 1],
  );
});

test('each list is one statement, and shows nothing to who may not know any more', async () => {
  house.statementsSent();
  await list();
  await bindings(ids[0]!);
  await history(ids[0]!);
  await house.policies.read(admin(), ids[0]!);
  assert.equal(house.statementsSent(), ['policy.list', 'policy.list_bindings', 'policy.history', 'policy.read']);
  const seen: unknown[] = [];
  const confirm = async (epochs: unknown) => {
    seen.push(epochs);
    throw new Error('not any more');
  };
  const asking = { ...admin(), standing: { holds: () => false, confirm } };
  const window = { after: null, limit: 1 };
  for (const id of [ids[0]!, 'pol_00000000000000000000000000' as PolicyId]) {
    const reads = [
      house.policies.lists.policies(asking, { text: null, isActive: null }, window),
      house.policies.lists.bindings(asking, id, window),
      house.policies.lists.history(asking, id, window),
      house.policies.read(asking, id),
    ];
    for (const outcome of await Promise.allSettled<unknown>(reads)) {
      assert.is(outcome.status === 'rejected' && outcome.reason.message, 'not any more');
    }
  }
  const [row] = await house.db.query<{ policy: number; subject: number }>(
    statement(
      't.epochs',
      "SELECT policy_epoch AS policy, subject_epoch AS subject FROM tenants WHERE tenant_id = 'acme'",
    ),
  );
  assert.equal(
    seen,
    seen.map(() => row),
  );
});

test.run();
