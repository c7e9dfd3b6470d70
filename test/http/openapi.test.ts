import * as assert from 'uvu/assert';
import type { GuardedRoute } from '../../src/contract/route.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { suite } from '../support/suite.ts';
import { type House, startHouse, table } from './house.ts';

const test = suite('the OpenAPI document');
let house: House;

test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type Members = { readonly [name: string]: Json };

const routes = table();
const CHANGES = routes.filter(({ effect }) => effect === 'change').map(({ method, path }) => `${method} ${path}`);
const published = async () => (await house.ask('GET', '/v1/openapi.json', { token: null })).body as Members;
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function operations(document: Members): [string, string, Members][] {
  return Object.entries(document.paths as Members).flatMap(([path, item]) =>
    Object.entries(item as Members).map(([method, operation]): [string, string, Members] => [
      path,
      method,
      operation as Members,
    ]),
  );
}

function everyObject(value: Json, visit: (object: Members, at: string) => void, at = '#'): void {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) everyObject(item, visit, `${at}/${index}`);
  else if (isObject(value)) {
    visit(value, at);
    for (const [name, member] of Object.entries(value)) everyObject(member, visit, `${at}/${name}`);
  }
}

test('needs no token, and is OpenAPI 3.1', async () => {
  const document = await published();
  assert.match(String(document.openapi), /^3\.1\.\d+$/);
  const info = document.info as Members;
  assert.is(info.title, 'ScaiVault');
  assert.match(String(info.version), /^\d+\.\d+\.\d+/);
  assert.equal(document.servers, [{ url: 'https://vault.example.test' }]);
  assert.ok(isObject((document.components as Members).securitySchemes));
});

test('has every route of the table and no other', async () => {
  const documented = operations(await published()).map(([path, method]) => `${method.toUpperCase()} ${path}`);
  assert.equal(documented.sort(), routes.map(({ method, path }) => `${method} ${path}`).sort());
});

test('is what a reader of the standard expects: parameters, bodies and answers in their places', async () => {
  for (const [path, method, operation] of operations(await published())) {
    const name = `${method} ${path}`;
    assert.ok(['get', 'put', 'post', 'patch', 'delete'].includes(method), name);
    assert.type(operation.summary, 'string', name);
    assert.ok(Array.isArray(operation.tags) && operation.tags.length > 0, name);
    const parameters = (operation.parameters ?? []) as unknown as readonly Members[];
    const inPath = parameters.filter((parameter) => parameter.in === 'path');
    assert.equal(
      inPath.map((parameter) => parameter.name),
      [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
      name,
    );
    for (const parameter of parameters) {
      assert.ok(['path', 'query', 'header'].includes(String(parameter.in)), name);
      assert.ok(isObject(parameter.schema), name);
      if (parameter.in === 'path') assert.is(parameter.required, true, name);
    }
    const inHeader = parameters.filter((parameter) => parameter.in === 'header').map((parameter) => parameter.name);
    const remembered = CHANGES.includes(`${method.toUpperCase()} ${path}`) && (method === 'post' || method === 'put');
    assert.equal(inHeader, remembered ? ['Idempotency-Key'] : [], name);
    const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
    assert.is(new Set(keys).size, keys.length, `${name}: a parameter stands twice`);
    const answers = Object.entries(operation.responses as Members);
    assert.ok(
      answers.some(([status]) => /^2\d\d$/.test(status)),
      `${name}: no success`,
    );
    assert.ok('default' in (operation.responses as Members), `${name}: no error`);
    for (const [status, answer] of answers) {
      assert.match(status, /^([1-5]\d\d|default)$/);
      assert.ok('$ref' in (answer as Members) || typeof (answer as Members).description === 'string', name);
    }
    if ('requestBody' in operation) assert.ok(method !== 'get', `${name}: a GET has no body`);
  }
});

test('every $ref leads somewhere', async () => {
  const document = await published();
  let found = 0;
  everyObject(document, ({ $ref }, at) => {
    if ($ref === undefined) return;
    found++;
    assert.match(String($ref), /^#\//, at);
    let target: Json | undefined = document;
    for (const part of String($ref).slice(2).split('/')) {
      target = isObject(target) ? target[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    }
    assert.ok(isObject(target), `${at}: ${$ref}`);
  });
  assert.ok(found >= routes.length);
});

test('every schema is one: known types, required members that exist, patterns that compile', async () => {
  const types = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean', 'null']);
  everyObject(await published(), (object, at) => {
    if (!/\/schema(\/|$)/.test(at) || /\/(examples|default|enum|properties|patternProperties)$/.test(at)) return;
    if (typeof object.type === 'string') assert.ok(types.has(object.type), `${at}: ${object.type}`);
    if (Array.isArray(object.required)) {
      for (const name of object.required) assert.ok(String(name) in (object.properties as Members), `${at}: ${name}`);
    }
    if (typeof object.pattern === 'string') new RegExp(object.pattern, 'u');
  });
});

test('its schemas are the ones that validate: the same objects, not a copy of them', () => {
  const document = openApiDocument(routes, 'https://x') as {
    paths: Record<string, Record<string, { requestBody?: unknown; parameters?: unknown; responses: unknown }>>;
  };
  for (const route of routes) {
    const operation = document.paths[route.path]![route.method.toLowerCase()]!;
    const content = (of: unknown) =>
      (of as { content?: { 'application/json': { schema: unknown } } })?.content?.['application/json'].schema;
    for (const [status, { schema }] of Object.entries(route.responses)) {
      if (schema !== null) assert.ok(content((operation.responses as Record<string, unknown>)[status]) === schema);
    }
    if (route.effect === 'public') continue;
    const { body, query } = route as GuardedRoute;
    if (body !== null) assert.ok(content(operation.requestBody) === body, route.path);
    const parameters = (operation.parameters ?? []) as { name: string; in: string; schema: unknown }[];
    const properties = (query as { properties?: Record<string, unknown> }).properties ?? {};
    for (const [name, schema] of Object.entries(properties)) {
      assert.ok(parameters.find((parameter) => parameter.in === 'query' && parameter.name === name)?.schema === schema);
    }
  }
});

test('says of each call what it takes to be allowed', async () => {
  for (const [path, method, operation] of operations(await published())) {
    const route = routes.find((one) => one.path === path && one.method === method.toUpperCase());
    if (route?.effect === 'public') {
      assert.equal(operation.security, [], path);
      continue;
    }
    assert.not('security' in operation, 'the document’s own: a bearer token');
    assert.equal(operation['x-authority'], JSON.parse(JSON.stringify((route as GuardedRoute).authority)));
    assert.is(operation['x-scope'], (route as GuardedRoute).scope);
  }
});

test.run();
