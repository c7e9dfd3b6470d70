/** The policy API over HTTP: what only the whole pipeline shows. */
import * as assert from 'uvu/assert';
import { assertError, type House, requestId, startHouse } from '../http/house.ts';
import type { Asked } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('the API of policies');

let house: House;
test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

const RULE = { path_pattern: 'api/*', permissions: ['read'] };
const FILLED = { ...RULE, effect: 'allow', kind: 'secret' };
const asAdmin = (method: string, path: string, asked: Asked = {}) =>
  house.ask(method, `/v1/policies${path}`, { token: house.adminToken(), ...asked });

async function create(name: string, rules: readonly object[] = [RULE]): Promise<string> {
  const { status, body, text } = await asAdmin('POST', '', { body: { name, rules } });
  assert.is(status, 201, text);
  return body.id;
}

const bind = (id: string, who: string, more: object = {}) =>
  asAdmin('POST', `/${id}/bindings`, { body: { identity_type: 'user', identity_id: `user:${who}`, ...more } });

test('a policy from its creation to its end, each step in the audit log', async () => {
  const id = await create('life');
  const steps: [string, string, Asked, number, string, object | null][] = [
    ['GET', `/${id}`, {}, 200, 'policy_read', { policy_version: 1 }],
    [
      'PUT',
      `/${id}`,
      { body: { name: 'life-2', rules: [RULE] }, headers: { 'if-match': '"1"' } },
      200,
      'policy_update',
      { change: 'updated', previous_version: 1, policy_version: 2, policy_name: 'life-2', previous_name: 'life' },
    ],
    [
      'PATCH',
      `/${id}`,
      { body: { description: 'patched' } },
      200,
      'policy_update',
      { change: 'updated', policy_version: 3 },
    ],
    [
      'POST',
      `/${id}:rollback`,
      { body: { version: 1 } },
      200,
      'policy_update',
      { change: 'rolled_back', from_version: 1 },
    ],
    [
      'POST',
      `/${id}/bindings`,
      { body: { identity_type: 'user', identity_id: 'user:usr_alice' } },
      201,
      'policy_bind',
      { policy_version: 4 },
    ],
    ['GET', `/${id}/bindings`, {}, 200, 'policy_read', { part: 'bindings' }],
    ['GET', `/${id}:history`, {}, 200, 'policy_read', { part: 'history' }],
    ['DELETE', `/${id}`, {}, 409, 'policy_delete', null],
    [
      'DELETE',
      `/${id}?force=true`,
      { headers: { 'if-match': '"4"' } },
      204,
      'policy_delete',
      { change: 'deleted', bindings_removed: 1, policy_version: 5 },
    ],
    ['GET', `/${id}`, {}, 404, 'policy_read', null],
    ['GET', `/${id}:history`, {}, 200, 'policy_read', {}],
  ];
  for (const [method, path, asked, status, action, extra] of steps) {
    const request = requestId();
    const answer = await asAdmin(method, path, { ...asked, headers: { ...asked.headers, 'x-request-id': request } });
    assert.is(answer.status, status, `${method} ${path} ${answer.text}`);
    if (status === 204) assert.is(answer.text, '');
    const [row, ...more] = await house.audited(request);
    assert.equal(more, []);
    assert.is(row?.action, action);
    assert.is(row?.success, status < 400);
    if (extra !== null) {
      assert.is(row?.resource, `policies/${id}`);
      for (const [name, value] of Object.entries(extra)) assert.equal(row?.extra_data[name], value, `${path} ${name}`);
    }
  }
});

test('answers carry the version, and a replacement says that it made nothing', async () => {
  const id = await create('etags');
  const put = await asAdmin('PUT', `/${id}`, { body: { name: 'etags', rules: [RULE] } });
  assert.is(put.headers.get('etag'), '"2"');
  const { created, ...policy } = put.body;
  assert.is(created, false);
  assert.equal(policy.rules, [FILLED]);
  const got = await asAdmin('GET', `/${id}`);
  assert.is(got.headers.get('etag'), '"2"');
  assert.equal(got.body, policy);
  const stale = await asAdmin('PATCH', `/${id}`, { body: { is_active: false }, headers: { 'if-match': '"1"' } });
  assert.is(stale.status, 409);
  assertError(stale.body, 'version_conflict');
  assert.equal(stale.body.error.details, { current_version: 2 });
});

test('two writers with the same If-Match: one is told to look again', async () => {
  const id = await create('writers');
  const put = (n: number) =>
    asAdmin('PUT', `/${id}`, {
      body: { name: 'writers', description: `${n}`, rules: [RULE] },
      headers: { 'if-match': '"1"' },
    });
  const answers = await Promise.all([0, 1, 2, 3].map(put));
  assert.equal(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409]);
});

test('a secret is read under the new rules by the very next request', async () => {
  const mine = await house.allow([{ path_pattern: 'api/secret', permissions: ['read', 'write'] }]);
  const secret = '/v1/secrets/api/secret';
  assert.is((await house.ask('PUT', secret, { body: { data: { a: 1 } } })).status, 201);
  for (const [is_active, status] of [
    [false, 403],
    [true, 200],
    [false, 403],
  ] as const) {
    await asAdmin('PATCH', `/${mine}`, { body: { is_active } });
    assert.is((await house.ask('GET', secret)).status, status);
  }
  await asAdmin('POST', `/${mine}:rollback`, { body: { version: 1 } });
  assert.is((await house.ask('GET', secret)).status, 200);
  const { body } = await asAdmin('GET', `/${mine}/bindings`);
  assert.is((await asAdmin('DELETE', `/${mine}/bindings/${body.bindings[0].id}`)).status, 204);
  assert.is((await house.ask('GET', secret)).status, 403);
});

test('a binding made again has its new end, and one in the past is refused', async () => {
  const id = await create('ends');
  const first = await bind(id, 'usr_alice', { expires_at: '2090-01-01T00:00:00Z' });
  const again = await bind(id, 'usr_alice');
  assert.equal([first.status, again.status], [201, 200]);
  assert.is(again.body.id, first.body.id);
  assert.equal([again.body.expires_at, again.body.expired], [null, false]);
  assert.is((await asAdmin('GET', `/${id}/bindings`)).body.bindings.length, 1);
  for (const expires_at of ['2020-01-01T00:00:00Z', '2090-02-30T00:00:00Z', 'tomorrow', 7]) {
    const refused = await bind(id, 'usr_alice', { expires_at });
    assert.is(refused.status, 422, `${expires_at}`);
    assertError(refused.body, 'validation_error');
  }
});

test('what is malformed is refused by its name, and what is not there is not found', async () => {
  const id = await create('bad');
  const many = Array.from({ length: 1_001 }, () => RULE);
  const nowhere = 'pol_00000000000000000000000000';
  const binding = 'bnd_00000000000000000000000000';
  const cases: [string, string, unknown, number, string][] = [
    ['PUT', `/${id}`, { name: 'bad', rules: many }, 422, 'validation_error'],
    ['PATCH', `/${id}`, { rules: many }, 422, 'validation_error'],
    ['PATCH', `/${id}`, {}, 422, 'validation_error'],
    ['PATCH', `/${id}`, { scope: 'partner' }, 422, 'validation_error'],
    ['PATCH', `/${id}`, { rules: [{ path_pattern: 'a//b', permissions: ['read'] }] }, 400, 'invalid_glob'],
    ['PATCH', `/${id}`, { name: 'NAME' }, 422, 'validation_error'],
    ['PUT', `/${id}`, { rules: [RULE] }, 422, 'validation_error'],
    ['POST', `/${id}:rollback`, {}, 422, 'validation_error'],
    ['POST', `/${id}:rollback`, { version: 0 }, 422, 'validation_error'],
    ['POST', `/${id}:rollback`, { version: 99 }, 404, 'version_not_found'],
    ['DELETE', `/${id}?force=yes`, undefined, 422, 'validation_error'],
    ['DELETE', `/${id}?froce=true`, undefined, 422, 'validation_error'],
    ['DELETE', `/${id}/bindings/${binding}`, undefined, 404, 'binding_not_found'],
    ['DELETE', `/${id}/bindings/x`, undefined, 404, 'binding_not_found'],
    ...['GET', 'PUT', 'PATCH', 'DELETE'].map((method): [string, string, unknown, number, string] => [
      method,
      `/${nowhere}`,
      method === 'PUT' ? { name: 'x', rules: [RULE] } : method === 'PATCH' ? { is_active: true } : undefined,
      404,
      'policy_not_found',
    ]),
    ['GET', `/${nowhere}:history`, undefined, 404, 'policy_not_found'],
    ['GET', `/${nowhere}/bindings`, undefined, 404, 'policy_not_found'],
    ['DELETE', `/${nowhere}/bindings/${binding}`, undefined, 404, 'policy_not_found'],
    ['GET', `/${id.toUpperCase()}`, undefined, 404, 'policy_not_found'],
    ['GET', `/${id}%20`, undefined, 404, 'policy_not_found'],
    // None of these is another spelling of the policy.
    ['GET', `/${id}:`, undefined, 404, 'route_not_found'],
    ['GET', `/${id}:nothing`, undefined, 404, 'route_not_found'],
    ['GET', `/${id}:History`, undefined, 404, 'route_not_found'],
    ['GET', '/:history', undefined, 404, 'route_not_found'],
    ['GET', `/${id}:history/`, undefined, 404, 'route_not_found'],
    ['GET', `/${id}:rollback`, undefined, 405, 'method_not_allowed'],
  ];
  for (const [method, path, body, status, code] of cases) {
    const answer = await asAdmin(method, path, body === undefined ? {} : { body });
    assert.is(answer.status, status, `${method} ${path} ${answer.text}`);
    assertError(answer.body, code);
  }
  assert.is((await asAdmin('GET', `/${id}`)).body.version, 1);
});

test('a limit is 1 to 1000, a cursor is one of ours', async () => {
  const id = await create('paged');
  for (const path of ['', `/${id}/bindings`, `/${id}:history`]) {
    for (const limit of ['0', '-1', '1e9', 'NaN', '1001', '', '1.5']) {
      const answer = await asAdmin('GET', `${path}?limit=${limit}`);
      assert.is(answer.status, 422, `${path} ${limit}`);
      assert.ok('limit' in answer.body.error.details.fields);
    }
    const forged = await asAdmin('GET', `${path}?cursor=abc.def`);
    assert.is(forged.status, 400);
    assertError(forged.body, 'invalid_cursor');
  }
  const { cursor } = (await asAdmin('GET', '?limit=1')).body;
  const more = await asAdmin('GET', `?limit=1&cursor=${cursor}`);
  assert.is(more.status, 200, more.text);
  await house.allow([{ kind: 'sys', path_pattern: 'policies', permissions: ['read'] }], 'user:usr_pager');
  const somebody = house.token({ sub: 'usr_pager' });
  const stolen = await asAdmin('GET', `?limit=1&cursor=${cursor}`, { token: somebody });
  assert.is(stolen.status, 400, stolen.text);
  assertError(stolen.body, 'invalid_cursor');
});

test('a rule of kind sys shows policies, but not their history, and changes none by "read"', async () => {
  const id = await create('shown');
  await house.allow([{ kind: 'sys', path_pattern: 'policies', permissions: ['read'] }], 'user:usr_reader');
  const token = house.token({ sub: 'usr_reader' });
  for (const path of ['', `/${id}`, `/${id}/bindings`]) {
    assert.is((await asAdmin('GET', path, { token })).status, 200, path);
  }
  const denied: [string, string, unknown][] = [
    ['GET', `/${id}:history`, undefined],
    ['PUT', `/${id}`, { name: 'shown', rules: [RULE] }],
    ['PATCH', `/${id}`, { is_active: false }],
    ['POST', `/${id}:rollback`, { version: 1 }],
    ['DELETE', `/${id}`, undefined],
    ['DELETE', `/${id}/bindings/bnd_00000000000000000000000000`, undefined],
  ];
  for (const [method, path, body] of denied) {
    const answer = await asAdmin(method, path, { token, ...(body === undefined ? {} : { body }) });
    assert.is(answer.status, 403, `${method} ${path} ${answer.text}`);
    assertError(answer.body, 'forbidden');
  }
  const blind = house.token({ sub: house.adminSub, scope: 'secrets:read' });
  for (const path of ['', `/${id}`, `/${id}/bindings`, `/${id}:history`]) {
    const answer = await asAdmin('GET', path, { token: blind });
    assert.is(answer.status, 403);
    assertError(answer.body, 'insufficient_scope');
  }
});

test('who saves rules about addresses is told when forwarding headers come from a stranger', async () => {
  const rules = [{ ...RULE, conditions: { ip_ranges: ['10.0.0.0/8'] } }];
  const id = await create('addresses', rules);
  assert.equal((await asAdmin('GET', `/${id}`)).body.warnings, []);
  await asAdmin('GET', `/${id}`, { headers: { 'x-forwarded-for': '10.1.2.3' } });
  const saved = await asAdmin('PATCH', `/${id}`, { body: { description: 'again' } });
  assert.match(saved.body.warnings[0].message, /TRUSTED_PROXIES/);
});

test('an administrator who takes more by a change is in the log under its own name', async () => {
  const id = await create('own');
  await bind(id, house.adminSub);
  const request = requestId();
  const headers = { 'x-request-id': request };
  await asAdmin('PATCH', `/${id}`, { body: { rules: [{ path_pattern: '**', permissions: ['read'] }] }, headers });
  const [row] = await house.audited(request);
  assert.is(row?.action, 'policy_self_granted');
  assert.is(row?.extra_data.change, 'updated');
});

test.run();
