/**
 * Finds the route of a request by its raw path, segment by segment. Nothing is decoded or normalised on the way, so
 * that two spellings never reach one route (`docs/decisions/0005-own-router.md`); authentication is decided by the
 * route found here, never by a text search in the URL (Infisical#6138, VULN-240).
 */
import { ApiError } from '../contract/errors.ts';
import type { Route } from '../contract/route.ts';

export interface Match {
  readonly route: Route;
  /** Values of `{name}` segments, raw. */
  readonly params: Readonly<Record<string, string>>;
  /** What stands in place of a trailing `{path}`, raw; null where the route has none. */
  readonly rest: string | null;
  /** The tenant of a `/v1/t/{tenant_id}/...` target, raw. */
  readonly tenantPrefix: string | null;
}

type Methods = Map<string, Route>;

interface Node {
  readonly literals: Map<string, Node>;
  param: { readonly name: string; readonly node: Node } | null;
  /** Routes that end here. */
  readonly methods: Methods;
  /** Routes whose `{path}` begins here, by their `:action` (`''` for none). */
  readonly rest: Map<string, Methods>;
}

type Hit = Pick<Match, 'params' | 'rest'> & { readonly methods: Methods };

export type Router = (method: string, rawPath: string) => Match;

const REST = '{path}';
const TENANT_PREFIX = /^\/v1\/t\/([^/]+)(\/.*)$/;

function newNode(): Node {
  return { literals: new Map(), param: null, methods: new Map(), rest: new Map() };
}

function insert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function descend(node: Node, segment: string): Node {
  const param = /^\{(\w+)\}$/.exec(segment)?.[1];
  if (param === undefined) return insert(node.literals, segment, newNode);
  node.param ??= { name: param, node: newNode() };
  if (node.param.name !== param) throw new Error(`route parameters {${node.param.name}} and {${param}} in one place`);
  return node.param.node;
}

function addRoute(root: Node, route: Route): void {
  const segments = route.path.slice(1).split('/');
  const last = segments.at(-1) ?? '';
  const takesRest = last.startsWith(REST);
  const node = (takesRest ? segments.slice(0, -1) : segments).reduce(descend, root);
  const methods = takesRest
    ? insert(node.rest, last.slice(REST.length).replace(/^:/, ''), () => new Map<string, Route>())
    : node.methods;
  if (methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
  methods.set(route.method, route);
}

/** The part behind `{path}`: an `:action` is what follows the last colon of the last segment. */
function restHit(node: Node, rest: string, params: Match['params']): Hit | null {
  if (node.rest.size === 0) return null;
  const colon = rest.lastIndexOf(':');
  const hasAction = colon > rest.lastIndexOf('/');
  const action = hasAction ? rest.slice(colon + 1) : '';
  // `app/db:` names no action. Taken for `app/db` it would be a second spelling of that path.
  if (hasAction && action === '') return null;
  const methods = node.rest.get(action);
  return methods === undefined ? null : { methods, params, rest: hasAction ? rest.slice(0, colon) : rest };
}

function find(node: Node, segments: readonly string[], at: number, params: Match['params']): Hit | null {
  const segment = segments[at];
  if (segment === undefined) return node.methods.size > 0 ? { methods: node.methods, params, rest: null } : null;
  const literal = node.literals.get(segment);
  const viaLiteral = literal === undefined ? null : find(literal, segments, at + 1, params);
  if (viaLiteral !== null) return viaLiteral;
  if (node.param !== null && segment !== '') {
    const viaParam = find(node.param.node, segments, at + 1, { ...params, [node.param.name]: segment });
    if (viaParam !== null) return viaParam;
  }
  return restHit(node, segments.slice(at).join('/'), params);
}

/** @returns a function that throws ApiError `route_not_found`, or `method_not_allowed` with `details.allow` */
export function createRouter(routes: readonly Route[]): Router {
  const root = newNode();
  for (const route of routes) addRoute(root, route);

  return (method, rawPath) => {
    const prefixed = TENANT_PREFIX.exec(rawPath);
    const path = prefixed === null ? rawPath : `/v1${prefixed[2]}`;
    const hit = find(root, path.slice(1).split('/'), 0, {});
    if (hit === null) throw new ApiError('route_not_found');
    const route = hit.methods.get(method);
    if (route === undefined) {
      throw new ApiError('method_not_allowed', { details: { allow: [...hit.methods.keys()].sort() } });
    }
    // A public route belongs to no tenant.
    if (prefixed !== null && route.effect === 'public') throw new ApiError('route_not_found');
    return { route, params: hit.params, rest: hit.rest, tenantPrefix: prefixed?.[1] ?? null };
  };
}
