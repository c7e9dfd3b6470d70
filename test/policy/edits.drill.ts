import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const SECONDS = Math.max(2, Math.round(20 * Number(process.env.DRILL_SCALE ?? 1)));
const READERS = 24;
const test = suite('policies that are edited under load', { timeoutMs: (SECONDS + 60) * 1_000 });

let house: House;
test.before(async () => {
  house = await startHouse();
});
test.after(() => house.stop());

const rule = (path_pattern: string, effect = 'allow') => ({ path_pattern, permissions: ['read', 'write'], effect });
/** Were rules of both mixed, "load/secret" would be open, or "load/open" closed. */
const STATES = [
  [rule('load/*'), rule('load/secret', 'deny')],
  [rule('load/open'), rule('load/else')],
];

test(`no request of ${SECONDS} s is judged by half a policy`, async () => {
  const id = await house.allow(STATES[1]!);
  assert.is((await house.ask('PUT', '/v1/secrets/load/open', { body: { data: { a: 1 } } })).status, 201);
  const token = house.token();
  const until = Date.now() + SECONDS * 1_000;
  let requests = 0;
  const read = async () => {
    while (Date.now() < until) {
      const open = await house.ask('GET', '/v1/secrets/load/open', { token });
      assert.is(open.status, 200, open.text);
      const secret = await house.ask('GET', '/v1/secrets/load/secret', { token });
      assert.is(secret.status, 403, secret.text);
      requests += 2;
    }
  };
  let edits = 0;
  const edit = async () => {
    const admin = house.adminToken();
    for (; Date.now() < until; edits++) {
      const answer = await house.ask('PATCH', `/v1/policies/${id}`, {
        token: admin,
        body: { rules: STATES[edits % 2]! },
      });
      assert.is(answer.status, 200, answer.text);
    }
  };
  await Promise.all([edit(), ...Array.from({ length: READERS }, read)]);
  assert.ok(edits >= SECONDS && requests > 20 * SECONDS, `${edits} edits, ${requests} requests`);
});

test.run();
