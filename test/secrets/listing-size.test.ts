import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { assertCheap, type LargeTenant, largeTenant } from './listing-size.ts';

const test = suite('a list in a large tenant');
const COUNT = 8_000;
let tenant: LargeTenant;

test.before(async () => {
  tenant = await largeTenant(COUNT);
});
test.after(() => tenant.close());

test('reads what it shows, and steps over a folder whatever that holds', () => assertCheap(tenant, COUNT));

test('takes one statement a page, with rules that a query can say', async () => {
  for (const [allowed, denied] of [
    [['**'], []],
    [
      ['huge/**', 'team-*/app-1/*'],
      ['huge/*7', 'team-3/**'],
    ],
  ] as const) {
    for (const folders of [false, true]) {
      const { statements, entries } = await tenant.cost(allowed, denied, { folders, limit: 1_000 });
      assert.ok(entries > 0);
      assert.is(statements, 1);
    }
  }
});

test('takes few statements a page, with 10,000 rules that it cannot', async () => {
  const many = Array.from({ length: 10_000 }, (_, n) => `*/${String(n * 10).padStart(7, '0')}*`);
  const { statements, entries } = await tenant.cost(many, [], { limit: 1_000 });
  assert.is(entries, COUNT / 10);
  assert.ok(statements <= 2 + COUNT / 5_000 + 3, `${statements}`);
});

test.run();
