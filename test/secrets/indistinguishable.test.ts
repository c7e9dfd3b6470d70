/** Who may neither read nor list a path does not learn whether there is something: same answer, same work. */
import pg from 'pg';
import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('not allowed and not existing');
let house: House;
let stranger: string;

/** Names of the statements that this process sends, while `work` runs. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const { prototype } = pg.Client as unknown as { prototype: { query: (...args: unknown[]) => unknown } };
  const original = prototype.query;
  const names: string[] = [];
  prototype.query = function (this: unknown, ...args: unknown[]) {
    const [query] = args as [{ name?: string } | string];
    names.push(typeof query === 'string' ? query : (query.name ?? '?'));
    return original.apply(this, args);
  };
  try {
    await work();
  } finally {
    prototype.query = original;
  }
  return names;
}

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  await house.ask('PUT', '/v1/secrets/app/there', { body: { data: { a: 1 } } });
  stranger = house.token({ sub: 'usr_stranger' });
  // What is cached for a caller is so from now on.
  await house.ask('GET', '/v1/secrets/app/warm', { token: stranger });
});
test.after(() => house.stop());

const CALLS = [
  ['GET', '', undefined],
  ['GET', '?version=1', undefined],
  ['GET', '?version=99', undefined],
  ['PUT', '', { data: {} }],
  ['PUT', '', { data: {}, options: { cas: 1 } }],
  ['PUT', '', { data: {}, options: { cas: 0 } }],
] as const;

for (const [method, query, body] of CALLS) {
  test(`${method}${query} ${JSON.stringify(body ?? '')}: one answer and the same statements for both`, async () => {
    const ask = (path: string) =>
      house.ask(method, `/v1/secrets/${path}${query}`, { token: stranger, ...(body === undefined ? {} : { body }) });
    const shapes: unknown[] = [];
    const statements: string[][] = [];
    for (const path of ['app/there', 'app/none']) {
      let answer: Awaited<ReturnType<House['ask']>> | undefined;
      statements.push(
        await statementsOf(async () => {
          answer = await ask(path);
        }),
      );
      const { error } = answer!.body;
      shapes.push({
        status: answer!.status,
        names: [...answer!.headers.keys()].sort(),
        error: { ...error, request_id: '', details: { ...error.details, decision_id: '' } },
      });
    }
    assert.equal(shapes[0], shapes[1]);
    assert.is((shapes[0] as { status: number }).status, 403);
    assert.equal(statements[0], statements[1]);
    assert.not(
      statements[0]!.some((name) => name.startsWith('secrets.')),
      'the secret was not looked for',
    );
    assert.ok(statements[0]!.length >= 1, 'the denial was recorded');
  });
}

test('who may read sees the difference, with as many statements', async () => {
  const found = await statementsOf(() => house.ask('GET', '/v1/secrets/app/there'));
  const missing = await statementsOf(() => house.ask('GET', '/v1/secrets/app/none'));
  assert.equal(
    found.filter((name) => name.startsWith('secrets.')),
    ['secrets.read'],
  );
  assert.equal(found, missing);
});

test.run();
