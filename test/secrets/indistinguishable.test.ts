/** Who may neither read nor list a path does not learn whether there is something: same answer, same work. */
import pg from 'pg';
import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('not allowed and not existing');
let house: House;
let stranger: string;

/** Confirms the policies once a second, with whichever request comes by then. */
const BY_THE_CLOCK = 'policy.epochs';

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
  return names.filter((name) => name !== BY_THE_CLOCK);
}

test.before(async () => {
  house = await startHouse();
  await house.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  await house.ask('PUT', '/v1/secrets/app/there', { body: { data: { a: 1 } } });
  await house.ask('PUT', '/v1/secrets/app/gone', { body: { data: { a: 1 } } });
  await house.allow([{ path_pattern: 'app/**', permissions: ['delete'] }]);
  await house.ask('DELETE', '/v1/secrets/app/gone');
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
  ['PUT', '', { data: {}, options: { max_versions: 1, expires_in: '0s' } }],
  ['PATCH', '', { data: {} }],
  ['PATCH', '', { data: {}, options: { cas: 1, max_versions: 1 } }],
  ['DELETE', '', undefined],
  ['DELETE', '?permanent=true', undefined],
  ['POST', ':undelete', undefined],
  ['POST', ':destroy', { versions: [1] }],
  ['POST', ':rollback', { version: 1 }],
  ['GET', ':metadata', undefined],
  ['PATCH', ':metadata', { options: { max_versions: 1 } }],
  ['GET', ':versions', undefined],
  ['GET', ':versions?limit=1', undefined],
] as const;

type Call = (typeof CALLS)[number];

/** What a caller sees of a call about a path, and the statements that it takes. */
async function seen([method, suffix, body]: Call, path: string, token: string) {
  let answer: Awaited<ReturnType<House['ask']>> | undefined;
  const statements = await statementsOf(async () => {
    answer = await house.ask(method, `/v1/secrets/${path}${suffix}`, {
      token,
      ...(body === undefined ? {} : { body }),
    });
  });
  const { error } = answer!.body;
  return {
    status: answer!.status,
    names: [...answer!.headers.keys()].sort(),
    error: { ...error, request_id: '', details: { ...error.details, decision_id: '' } },
    statements,
  };
}

const PATHS = ['app/there', 'app/none', 'app/gone'];

async function assertSame(call: Call, token: string): Promise<void> {
  // What is looked up once and remembered is so from now on.
  await seen(call, 'app/warm', token);
  const first = await seen(call, PATHS[0]!, token);
  for (const path of PATHS.slice(1)) assert.equal(await seen(call, path, token), first);
  assert.is(first.status, 403);
  const { statements } = first;
  assert.not(
    statements.some((name) => name.startsWith('secrets.')),
    'the secret was not looked for',
  );
  assert.ok(statements.length >= 1, 'the denial was recorded');
}

for (const call of CALLS) {
  const [method, suffix, body] = call;
  test(`${method}${suffix} ${JSON.stringify(body ?? '')}: one answer and the same statements for all`, () =>
    assertSame(call, stranger));
}

test('who may delete and not destroy sees no difference in what they may not', async () => {
  await house.allow([{ path_pattern: 'app/**', permissions: ['delete'] }], 'user:usr_deleter');
  const deleter = house.token({ sub: 'usr_deleter' });
  await house.ask('GET', '/v1/secrets/app/warm', { token: deleter });
  for (const call of CALLS.filter(([, suffix]) => suffix === '?permanent=true' || suffix === ':destroy')) {
    await assertSame(call, deleter);
  }
});

test('who may see what there is, with as many statements for what there is not', async () => {
  await house.allow([{ path_pattern: 'app/**', permissions: ['list'] }]);
  for (const suffix of ['', ':metadata', ':versions']) {
    await house.ask('GET', `/v1/secrets/app/warm${suffix}`);
    const found = await statementsOf(() => house.ask('GET', `/v1/secrets/app/there${suffix}`));
    for (const path of ['app/none', 'app/gone']) {
      assert.equal(await statementsOf(() => house.ask('GET', `/v1/secrets/${path}${suffix}`)), found);
    }
    assert.is(found.filter((name) => name.startsWith('secrets.')).length, 1, found.join());
  }
});

test.run();
