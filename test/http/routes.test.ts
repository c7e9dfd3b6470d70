/** The table of routes, and what a stranger sees of it. */
import * as assert from 'uvu/assert';
import { ACTIONS } from '../../src/contract/audit.ts';
import { PERMISSIONS, RULE_KINDS } from '../../src/contract/permissions.ts';
import { ROLES } from '../../src/contract/principal.ts';
import { type GuardedRoute, RATE_CATEGORIES } from '../../src/contract/route.ts';
import { isScope } from '../../src/contract/scopes.ts';
import { suite } from '../support/suite.ts';
import { assertError, type House, requestId, startHouse, table } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('the table of routes');
let house: House;

test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

/** Whoever adds a route without a token changes this list, knowingly (OpenBao CVE-2025-4656, CVE-2026-5807). */
const PUBLIC = ['GET /v1/health', 'GET /v1/health/ready', 'GET /v1/openapi.json', 'GET /v1/version'];
/** Calls about the caller alone need no scope. */
const WITHOUT_SCOPE = ['GET /v1/auth/whoami'];

const routes = table();
const guarded = routes.filter((route) => route.effect !== 'public') as readonly GuardedRoute[];
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
const targetOf = ({ path }: { path: string }) => path.replace('{path}', 'app/db').replaceAll(/\{\w+\}/g, 'x');

test('has exactly these routes without a token', () => {
  assert.equal(
    routes
      .filter((route) => route.effect === 'public')
      .map(nameOf)
      .sort(),
    PUBLIC,
  );
});

test('names a scope, an authority, a category and an action for every other one', () => {
  for (const route of guarded) {
    const name = nameOf(route);
    if (!WITHOUT_SCOPE.includes(name)) assert.ok(route.scope !== null && isScope(route.scope), `${name}: scope`);
    else assert.is(route.authority.type, 'self', `${name}: without a scope it may speak of the caller only`);
    assert.ok(route.category !== null && RATE_CATEGORIES.includes(route.category), `${name}: category`);
    assert.ok(ACTIONS.includes(route.action), `${name}: action`);
    switch (route.authority.type) {
      case 'policy':
        assert.ok(RULE_KINDS.includes(route.authority.kind) && PERMISSIONS.includes(route.authority.permission), name);
        assert.ok(route.path.includes('{path}'), `${name}: a policy judges a path`);
        break;
      case 'role':
        assert.ok(ROLES.includes(route.authority.role), name);
        break;
      case 'self':
        assert.is(route.effect, 'read', `${name}: one's own facts are read`);
        break;
    }
  }
});

test('leaves an audit entry of every answer but one', () => {
  const silent = guarded.filter((route) => route.effect === 'read' && route.audited === false).map(nameOf);
  assert.equal(silent, ['POST /v1/policies/test']);
});

test('has no GET that changes something, and no change by GET', () => {
  for (const route of guarded) {
    if (route.method === 'GET') assert.is(route.effect, 'read', nameOf(route));
    if (['PUT', 'PATCH', 'DELETE'].includes(route.method)) assert.is(route.effect, 'change', nameOf(route));
  }
});

test('refuses unknown members in every query and body', () => {
  for (const route of guarded) {
    for (const schema of [route.query, route.body]) {
      if (schema === null) continue;
      const { additionalProperties } = schema as { additionalProperties?: unknown };
      assert.is(additionalProperties, false, nameOf(route));
    }
  }
});

test('every route but the public ones answers 401 to a stranger, whatever else is wrong', async () => {
  for (const route of guarded) {
    for (const token of [null, 'nonsense', 'a.b.c']) {
      const answer = await house.ask(route.method, targetOf(route), { token, ...(route.body ? { raw: '{' } : {}) });
      assert.is(answer.status, 401, `${nameOf(route)} ${answer.text}`);
      assertError(answer.body, token === null ? 'authentication_required' : 'token_invalid');
      assert.is(answer.headers.get('www-authenticate'), 'Bearer');
    }
  }
});

test('an unknown route is 404 and a wrong method 405 with Allow, both without a token', async () => {
  for (const path of [
    '/',
    '/v1',
    '/v1/',
    '/v1/secret',
    '/v2/health',
    '/v1/metrics/',
    '/v1/nothing/at/all',
    '/v1/t/a',
  ]) {
    const answer = await house.ask('GET', path, { token: null });
    assert.is(answer.status, 404, path);
    assertError(answer.body, 'route_not_found');
  }
  const cases = [
    ['POST', '/v1/secrets/app/db', 'DELETE, GET, PATCH, PUT'],
    ['OPTIONS', '/v1/secrets/app/db', 'DELETE, GET, PATCH, PUT'],
    ['PUT', '/v1/health', 'GET'],
    ['DELETE', '/v1/policies', 'GET, POST'],
    ['POST', '/v1/audit/logs', 'GET'],
  ] as const;
  for (const [method, path, allow] of cases) {
    const answer = await house.ask(method, path, { token: null });
    assert.is(answer.status, 405, `${method} ${path}`);
    assert.is(answer.headers.get('allow'), allow);
    assertError(answer.body, 'method_not_allowed');
    assert.equal(answer.body.error.details.allow, allow.split(', '));
  }
  const head = await fetch(`${house.url}/v1/secrets/app/db`, { method: 'HEAD' });
  assert.is(head.status, 405);
  assert.is(head.headers.get('allow'), 'DELETE, GET, PATCH, PUT');
});

test('no query string opens a route (Infisical#6138, VULN-240)', async () => {
  const publicPaths = PUBLIC.map((name) => name.slice('GET '.length));
  for (const route of guarded) {
    for (const path of publicPaths) {
      const queries = [`?x=${path}`, `?${path}`, `?x=/../${path}`, `?a=1&b=${encodeURIComponent(path)}`, `?#${path}`];
      for (const query of queries) {
        const answer = await rawRequest(house.port, route.method, targetOf(route) + query);
        assert.is(answer.status, 401, `${nameOf(route)}${query} ${answer.text}`);
      }
    }
  }
  for (const target of ['/v1/secrets/app/db/v1/health', '/v1/health/../secrets/app/db', '/v1/health;/v1/secrets/a']) {
    const answer = await rawRequest(house.port, 'GET', target);
    assert.ok([401, 404].includes(answer.status), `${target} ${answer.status}`);
  }
});

test('a public route takes no tenant, and needs no token for a bad one', async () => {
  for (const name of PUBLIC) {
    const path = name.slice('GET '.length);
    assert.is((await house.ask('GET', path, { token: 'nonsense' })).status, 200, path);
    assert.is((await house.ask('GET', path.replace('/v1/', '/v1/t/tnt_a/'), { token: null })).status, 404, path);
  }
});

test('a query that can be read in two ways is refused', async () => {
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  await house.ask('PUT', '/v1/secrets/app/queried', { body: { data: {} } });
  const refused = [
    ['?version=1&version=1', 400],
    ['?version=1&%76ersion=1', 400],
    ['?version=%zz', 400],
    ['?version=%ff', 400],
    [`?${'a=1&'.repeat(60)}`, 400],
    [`?${Array.from({ length: 60 }, (_, n) => `a${n}=1`).join('&')}`, 400],
    [`?a=${'x'.repeat(9_000)}`, 400],
    ['?__proto__=1', 422],
    ['?constructor=1', 422],
    ['?Version=1', 422],
    ['?version=1&x', 422],
  ] as const;
  for (const [query, status] of refused) {
    const id = requestId();
    const answer = await house.ask('GET', `/v1/secrets/app/queried${query}`, { headers: { 'x-request-id': id } });
    assert.is(answer.status, status, `${query.slice(0, 40)} ${answer.text}`);
    assertError(answer.body, status === 422 ? 'validation_error' : 'invalid_request');
  }
  assert.is((await house.ask('GET', '/v1/secrets/app/queried?')).status, 200);
  assert.is((await house.ask('GET', '/v1/secrets/app/queried?&&version=1&')).status, 200);
});

test.run();
