import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { BusiestTenants, OTHER_TENANTS } from '../../src/telemetry/busiest-tenants.ts';
import { suite } from '../support/suite.ts';

const test = suite('the busiest tenants');
const MINUTE = 60_000;

function watched(max: number) {
  const clock = { now: 0 };
  const dropped: string[] = [];
  const tenants = new BusiestTenants(
    max,
    (tenantId) => void dropped.push(tenantId),
    () => clock.now,
  );
  return {
    dropped,
    tenants,
    count: (tenantId: string, times = 1) => {
      let name = '';
      for (let n = 0; n < times; n++) name = tenants.nameFor(tenantId);
      return name;
    },
    review: (afterMs = MINUTE) => {
      clock.now += afterMs;
      tenants.review();
    },
  };
}

test('have names while there is room, and then the others are one', () => {
  const { count } = watched(2);
  assert.equal(
    ['a', 'b', 'c', 'a', 'd'].map((tenant) => count(tenant)),
    ['a', 'b', OTHER_TENANTS, 'a', OTHER_TENANTS],
  );
  assert.is(watched(0).count('a'), OTHER_TENANTS);
});

test('change places when one has become clearly busier, and not before', () => {
  const { count, review, dropped } = watched(2);
  count('a', 100);
  count('b', 10);
  count('c', 15);
  review();
  assert.is(count('c'), OTHER_TENANTS, 'not clearly');
  count('c', 100);
  review(MINUTE - 1);
  assert.equal([count('c'), dropped], [OTHER_TENANTS, []], 'at most once a minute');
  review();
  assert.equal([count('c'), count('b'), count('a')], ['c', OTHER_TENANTS, 'a']);
  assert.equal(dropped, ['b']);
});

test('forget what was long ago', () => {
  const { count, review } = watched(1);
  count('a', 1_000);
  for (let minutes = 0; minutes < 8; minutes++) {
    count('b', 20);
    review();
  }
  assert.equal([count('b'), count('a')], ['b', OTHER_TENANTS]);
});

test('are never more than there may be, however many tenants there are', () => {
  const doing = fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 30 }).map((n) => `t${n}`) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 }), fc.array(doing, { maxLength: 300 }), (max, doings) => {
      const { count, review, dropped } = watched(max);
      const named = new Set<string>();
      for (const tenant of doings) {
        if (tenant === null) {
          dropped.length = 0;
          review();
          for (const each of dropped) assert.ok(named.delete(each), 'only who had a name loses it');
        } else if (count(tenant) === tenant) named.add(tenant);
        assert.ok(named.size <= max, `${named.size} of ${max}`);
      }
    }),
  );
});

test('cost bounded memory when strangers make tenants without end', () => {
  const { count, review } = watched(1);
  count('a', 10);
  for (let n = 0; n < 25_000; n++) count(`t${n}`);
  count('busy', 1_000);
  review();
  assert.is(count('busy'), 'busy');
});

test.run();
