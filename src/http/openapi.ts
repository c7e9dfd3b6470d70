import Type, { type TSchema } from 'typebox';
import type { PublicRoute, Route } from '../contract/route.ts';
import { ErrorBody } from '../contract/schemas.ts';
import { VERSION } from '../lib/version.ts';
import { IdempotencyKey, isRemembered } from './idempotency/key.ts';

type Document = Readonly<Record<string, unknown>>;

function content(schema: TSchema | null) {
  return schema === null ? {} : { content: { 'application/json': { schema } } };
}

function parameters(route: Route): readonly Document[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  if (route.effect === 'public') return inPath;
  const { properties = {} } = route.query as TSchema & { properties?: Record<string, TSchema> };
  const inQuery = Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }));
  const inHeader = isRemembered(route) ? [{ name: 'Idempotency-Key', in: 'header', schema: IdempotencyKey }] : [];
  return [...inPath, ...inQuery, ...inHeader];
}

function authorityOf(route: Route): Document {
  if (route.effect === 'public') return { security: [] };
  return {
    'x-scope': route.scope,
    'x-authority': route.authority,
    'x-rate-limit-category': route.category,
    'x-audit-action': route.action,
  };
}

function operation(route: Route): Document {
  const answers = Object.entries(route.responses).map(([status, { description, schema }]) => [
    status,
    { description, ...content(schema) },
  ]);
  const body = route.effect === 'public' || route.body === null ? {} : { required: true, ...content(route.body) };
  return {
    summary: route.summary,
    tags: [route.tag],
    ...authorityOf(route),
    ...(parameters(route).length > 0 ? { parameters: parameters(route) } : {}),
    ...('content' in body ? { requestBody: body } : {}),
    responses: { ...Object.fromEntries(answers), default: { $ref: '#/components/responses/Error' } },
  };
}

/** OpenAPI 3.1 of a route table, made from the schemas that validate its requests: it cannot drift. */
export function openApiDocument(routes: readonly Route[], serverUrl: string): Document {
  const paths: Record<string, Record<string, Document>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'ScaiVault', version: VERSION, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: serverUrl }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      responses: { Error: { description: 'An error of the catalogue, see docs/errors.md', ...content(ErrorBody) } },
    },
  };
}

/** `GET /v1/openapi.json` for a table that includes itself. */
export function withOpenApi(routes: readonly Route[], serverUrl: string): readonly Route[] {
  const route: PublicRoute = {
    effect: 'public',
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    tag: 'health',
    responses: { 200: { description: 'OpenAPI 3.1', schema: Type.Object({}) } },
    run: async () => ({ status: 200, body: document }),
  };
  const all = [...routes, route];
  const document = openApiDocument(all, serverUrl);
  return all;
}
