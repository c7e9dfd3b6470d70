import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import type { GuardedRoute, PublicRoute, Route } from '../../src/contract/route.ts';
import { createRouter } from '../../src/http/router.ts';

type Method = Route['method'];

function guarded(method: Method, path: string): Route {
  return { effect: 'read', method, path } as GuardedRoute;
}

function open(path: string): Route {
  return { effect: 'public', method: 'GET', path } as PublicRoute;
}

const ROUTES: readonly Route[] = [
  open('/v1/health'),
  open('/v1/health/ready'),
  guarded('GET', '/v1/things/{path}'),
  guarded('PUT', '/v1/things/{path}'),
  guarded('GET', '/v1/things/{path}:meta'),
  guarded('POST', '/v1/things/{path}:copy'),
  guarded('POST', '/v1/things/batch'),
  guarded('GET', '/v1/things'),
  guarded('GET', '/v1/items/{id}'),
  guarded('PATCH', '/v1/items/{id}'),
  guarded('POST', '/v1/items/{id}/parts'),
  guarded('GET', '/v1/items/{id}/parts/{part}'),
  guarded('GET', '/v1/items/mine'),
  guarded('GET', '/v1/items/{id}:log'),
  guarded('POST', '/v1/items/{id}:undo'),
  guarded('DELETE', '/v1/items/{id}:undo'),
];

/** What a call came to, as plain data. */
type Outcome =
  | { readonly found: string; readonly rest: string | null; readonly params: object; readonly tenant: string | null }
  | { readonly code: string; readonly allow?: unknown };

const router = createRouter(ROUTES);

function routed(method: string, path: string): Outcome {
  try {
    const { route, rest, params, tenantPrefix } = router(method, path);
    return { found: `${route.method} ${route.path}`, rest, params, tenant: tenantPrefix };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { code: error.code, ...(error.details === undefined ? {} : { allow: error.details.allow }) };
  }
}

interface Candidate {
  readonly route: Route;
  readonly rest: string | null;
  readonly params: Record<string, string>;
  /** `l` for each literal segment, `p` for a parameter, `r` for the rest: the earliest in order wins. */
  readonly rank: string;
}

/** Compares a path with one route, by the meaning of the template and without any structure. */
function matchOne(route: Route, path: string): Candidate | null {
  const pattern = route.path.slice(1).split('/');
  const given = path.slice(1).split('/');
  const params: Record<string, string> = {};
  let rank = '';
  for (const [at, part] of pattern.entries()) {
    if (part.startsWith('{path}')) {
      if (at >= given.length) return null;
      const action = part.slice('{path}'.length);
      const rest = given.slice(at).join('/');
      const last = given.at(-1) ?? '';
      const colon = last.includes(':') ? last.slice(last.lastIndexOf(':')) : '';
      if (colon !== action) return null;
      return { route, rest: rest.slice(0, rest.length - action.length), params, rank: `${rank}r` };
    }
    const segment = given[at];
    if (segment === undefined) return null;
    if (part.startsWith('{')) {
      const [name = '', action] = part.slice(1).split('}');
      const takesActions =
        at === given.length - 1 &&
        ROUTES.some((other) => other.path.startsWith(`/${pattern.slice(0, at).join('/')}/{${name}}:`));
      const colon = takesActions && segment.includes(':') ? segment.lastIndexOf(':') : segment.length;
      if (colon === 0 || segment.slice(colon) !== action) return null;
      params[name] = segment.slice(0, colon);
      rank += 'p';
    } else if (part === segment) rank += 'l';
    else return null;
  }
  return given.length === pattern.length ? { route, rest: null, params, rank } : null;
}

/**
 * The router as a specification: every route is compared, the most literal one wins; where it does not know the method,
 * what takes the rest of the path does.
 */
function expected(method: string, target: string): Outcome {
  let path = target;
  let tenant: string | null = null;
  const parts = target.split('/');
  if (target.startsWith('/v1/t/') && parts.length > 4 && parts[3] !== '') {
    tenant = parts[3]!;
    path = `/v1/${parts.slice(4).join('/')}`;
  }
  const candidates = ROUTES.map((route) => matchOne(route, path)).filter((found) => found !== null);
  const best = candidates.map(({ rank }) => rank).sort()[0];
  const hits = candidates.filter(({ rank }) => rank === best);
  if (hits.length === 0) return { code: 'route_not_found' };
  const all = [...hits, ...candidates.filter((candidate) => candidate.rank.endsWith('r') && candidate.rank !== best)];
  const hit = all.find(({ route }) => route.method === method);
  if (hit === undefined) {
    return { code: 'method_not_allowed', allow: [...new Set(all.map(({ route }) => route.method))].sort() };
  }
  if (tenant !== null && hit.route.effect === 'public') return { code: 'route_not_found' };
  return { found: `${hit.route.method} ${hit.route.path}`, rest: hit.rest, params: hit.params, tenant };
}

const segment = fc.oneof(
  fc.constantFrom('v1', 'health', 'ready', 'things', 'items', 'mine', 'parts', 'batch', 't', 'tnt_a', '', '.', '..'),
  fc.constantFrom(
    'a',
    'a:meta',
    'a:copy',
    'a:log',
    'a:undo',
    ':log',
    'mine:log',
    'a:log:undo',
    'a:',
    ':',
    ':meta',
    'a:b:meta',
    '{id}',
    '{path}',
    '__proto__',
    '%41',
    'V1',
  ),
  fc.stringMatching(/^[a-z:]{0,3}$/),
);
const target = fc.oneof(
  fc.array(segment, { maxLength: 7 }).map((segments) => `/${segments.join('/')}`),
  fc.array(segment, { maxLength: 5 }).map((segments) => `/v1/${segments.join('/')}`),
  fc.array(segment, { maxLength: 4 }).map((segments) => `/v1/t/tnt_a/${segments.join('/')}`),
);

test('finds what comparing with every route finds', () => {
  const method = fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'get');
  fc.assert(
    fc.property(method, target, (how, path) => assert.equal(routed(how, path), expected(how, path), `${how} ${path}`)),
    { numRuns: 5_000 },
  );
});

test('every template finds itself, with or without a tenant in front', () => {
  for (const route of ROUTES) {
    const path = route.path.replace('{path}', 'app/db').replaceAll(/\{\w+\}/g, 'x');
    const name = `${route.method} ${route.path}`;
    assert.is((routed(route.method, path) as { found: string }).found, name);
    const prefixed = routed(route.method, path.replace('/v1/', '/v1/t/tnt_a/')) as { found: string; code: string };
    if (route.effect === 'public') assert.is(prefixed.code, 'route_not_found');
    else assert.is(prefixed.found, name);
  }
});

test('nothing is decoded to find a route', () => {
  for (const path of ['/v1/%68ealth', '/%76%31/health', '/v1%2fhealth', '/V1/health', '/v1/health/', '//v1/health']) {
    assert.equal(routed('GET', path), { code: 'route_not_found' }, path);
  }
});

test('a parameter is taken as it stands, so that an id has one spelling', () => {
  for (const value of ['%41', '%', '%zz', '%2f']) {
    assert.is((routed('GET', `/v1/items/${value}`) as { params: { id: string } }).params.id, value);
  }
});

test('what follows the last colon of a parameter is its action, and nothing else is', () => {
  const found = (method: string, path: string) => {
    const outcome = routed(method, `/v1/items/${path}`);
    return 'found' in outcome ? [outcome.found, outcome.params] : outcome.code;
  };
  assert.equal(found('GET', 'a:log'), ['GET /v1/items/{id}:log', { id: 'a' }]);
  assert.equal(found('POST', 'a:undo'), ['POST /v1/items/{id}:undo', { id: 'a' }]);
  assert.equal(found('GET', 'a'), ['GET /v1/items/{id}', { id: 'a' }]);
  assert.equal(found('GET', 'a:b:log'), ['GET /v1/items/{id}:log', { id: 'a:b' }]);
  // Before a slash a colon means nothing.
  assert.equal(found('POST', 'a:log/parts'), ['POST /v1/items/{id}/parts', { id: 'a:log' }]);
  assert.equal(routed('PUT', '/v1/items/a:undo'), { code: 'method_not_allowed', allow: ['DELETE', 'POST'] });
  // None of these is another spelling of `a`, and no empty parameter has an action.
  for (const path of ['a:', 'a::', 'a:nothing', 'a:LOG', 'a:log:', 'a:%6cog', 'a%3alog:', ':log', ':', '::log:']) {
    assert.is(found('GET', path), 'route_not_found', path);
  }
  assert.equal(found('GET', ':a:log'), ['GET /v1/items/{id}:log', { id: ':a' }]);
});

test('the tenant of a target is not decoded', () => {
  assert.is((routed('GET', '/v1/t/%74nt/things/a') as { tenant: string }).tenant, '%74nt');
  assert.equal(routed('GET', '/v1/t//things/a'), { code: 'route_not_found' });
  assert.equal(routed('GET', '/v1/t/a/t/b/things/a'), { code: 'route_not_found' });
});

test('a long target costs no more than its length', () => {
  const started = performance.now();
  for (let round = 0; round < 100; round++) {
    routed('GET', `/v1/things/${'a/'.repeat(4_000)}`);
    routed('GET', `/v1/items/${'x/'.repeat(4_000)}`);
    routed('GET', '/'.repeat(8_000));
  }
  assert.ok(performance.now() - started < 2_000);
});

test('a table with two routes for one call is refused', () => {
  const twice = [guarded('GET', '/v1/a/{id}'), guarded('GET', '/v1/a/{id}')];
  assert.throws(() => createRouter(twice), /two routes/);
  const names = [guarded('GET', '/v1/a/{id}'), guarded('PUT', '/v1/a/{name}')];
  assert.throws(() => createRouter(names), /in one place/);
  const actions = [guarded('GET', '/v1/a/{id}:log'), guarded('GET', '/v1/a/{id}:log')];
  assert.throws(() => createRouter(actions), /two routes/);
  const otherName = [guarded('GET', '/v1/a/{id}'), guarded('PUT', '/v1/a/{name}:log')];
  assert.throws(() => createRouter(otherName), /in one place/);
});

test.run();
