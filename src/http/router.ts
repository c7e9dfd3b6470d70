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

interface Param {
  readonly name: string;
  readonly node: Node;
  /** Routes that end with the parameter and an `:action`. */
  readonly actions: Map<string, Methods>;
}

interface Node {
  readonly literals: Map<string, Node>;
  param: Param | null;
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

function paramOf(node: Node, name: string): Param {
  node.param ??= { name, node: newNode(), actions: new Map() };
  if (node.param.name !== name) throw new Error(`route parameters {${node.param.name}} and {${name}} in one place`);
  return node.param;
}

function descend(node: Node, segment: string): Node {
  const name = /^\{(\w+)\}$/.exec(segment)?.[1];
  return name === undefined ? insert(node.literals, segment, newNode) : paramOf(node, name).node;
}

/** Where the routes of a path are kept. */
function methodsAt(root: Node, path: string): Methods {
  const segments = path.slice(1).split('/');
  const last = segments.at(-1) ?? '';
  const [, name, action] = /^\{(\w+)\}(?::([\w-]+))?$/.exec(last) ?? [];
  const takesRest = last.startsWith(REST);
  if (!takesRest && action === undefined) return segments.reduce(descend, root).methods;
  const parent = segments.slice(0, -1).reduce(descend, root);
  const actions = takesRest ? parent.rest : paramOf(parent, name ?? '').actions;
  return insert(actions, action ?? '', () => new Map<string, Route>());
}

function addRoute(root: Node, route: Route): void {
  const methods = methodsAt(root, route.path);
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

/**
 * The last segment where parameters have actions: a colon always begins one. Neither `x:` nor `x:unknown` is taken for
 * a parameter of that name, so that a parameter has one spelling.
 */
function actionHit(param: Param, segment: string, params: Match['params']): Hit | null {
  const colon = segment.lastIndexOf(':');
  const methods = param.actions.get(segment.slice(colon + 1));
  if (methods === undefined || colon === 0) return null;
  return { methods, params: { ...params, [param.name]: segment.slice(0, colon) }, rest: null };
}

/** What a look-up goes by, the same at every segment. */
interface Target {
  readonly method: string;
  readonly segments: readonly string[];
}

function find(target: Target, node: Node, at: number, params: Match['params']): Hit | null {
  if (at === target.segments.length) {
    return node.methods.size > 0 ? { methods: node.methods, params, rest: null } : null;
  }
  const named = findNamed(target, node, at, params);
  if (named?.methods.has(target.method)) return named;
  const rest = restHit(node, target.segments.slice(at).join('/'), params);
  if (named === null || rest === null) return named ?? rest;
  // A secret may be called as a route is: `POST /v1/secrets/batch` is the batch, `GET /v1/secrets/batch` the secret.
  return rest.methods.has(target.method) ? rest : { ...named, methods: new Map([...rest.methods, ...named.methods]) };
}

function findNamed(target: Target, { literals, param }: Node, at: number, params: Match['params']): Hit | null {
  const { segments } = target;
  const segment = segments[at] ?? '';
  const literal = literals.get(segment);
  const viaLiteral = literal === undefined ? null : find(target, literal, at + 1, params);
  if (viaLiteral !== null || param === null || segment === '') return viaLiteral;
  const hasAction = param.actions.size > 0 && at === segments.length - 1 && segment.includes(':');
  return hasAction
    ? actionHit(param, segment, params)
    : find(target, param.node, at + 1, { ...params, [param.name]: segment });
}

/** @returns a function that throws ApiError `route_not_found`, or `method_not_allowed` with `details.allow` */
export function createRouter(routes: readonly Route[]): Router {
  const root = newNode();
  for (const route of routes) addRoute(root, route);

  return (method, rawPath) => {
    const prefixed = TENANT_PREFIX.exec(rawPath);
    const path = prefixed === null ? rawPath : `/v1${prefixed[2]}`;
    const hit = find({ method, segments: path.slice(1).split('/') }, root, 0, {});
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
