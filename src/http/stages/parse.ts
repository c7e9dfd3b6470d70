import type { TSchema } from 'typebox';
import { ApiError } from '../../contract/errors.ts';
import { parseSecretPath } from '../../contract/names.ts';
import type { GuardedRoute } from '../../contract/route.ts';
import { hasBody, readJson } from '../body.ts';
import type { Limited, Parsed } from '../exchange.ts';
import { idempotencyKey } from '../idempotency/key.ts';
import { compileCheck } from '../validation.ts';

type Check = ReturnType<typeof compileCheck>;
const checks = new WeakMap<TSchema, Check>();

/** Compiled at its first use; a schema lives as long as its route. */
function checkOf(schema: TSchema): Check {
  const known = checks.get(schema);
  if (known !== undefined) return known;
  const made = compileCheck(schema);
  checks.set(schema, made);
  return made;
}

function parseQuery(route: GuardedRoute, exchange: Limited): unknown {
  const query = Object.fromEntries(exchange.target.query);
  checkOf(route.query)(query, 'query');
  return query;
}

async function parseBody(route: GuardedRoute, exchange: Limited, maxBytes: number): Promise<unknown> {
  const { request, response } = exchange;
  if (route.body === null) {
    if (hasBody(request)) throw new ApiError('invalid_request', { message: 'This call takes no body.' });
    return null;
  }
  if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
  const body = await readJson(request, maxBytes);
  checkOf(route.body)(body, 'body');
  return body;
}

/** Stage 7: path, query and body by the route's schemas. Below this stage nothing is raw. */
export async function parse(exchange: Limited, maxBytes: number): Promise<Parsed> {
  const { route } = exchange;
  const { rest } = exchange.match;
  const secretPath = rest === null ? null : parseSecretPath(rest);
  const { headers } = exchange.request;
  const query = parseQuery(route, exchange);
  const body = await parseBody(route, exchange, maxBytes);
  return {
    ...exchange,
    draft: secretPath === null ? exchange.draft : { ...exchange.draft, secretPath, resource: null },
    secretPath,
    query,
    body,
    ifMatch: headers['if-match'] ?? null,
    ifNoneMatch: headers['if-none-match'] ?? null,
    idempotencyKey: idempotencyKey(headers, route),
  };
}
