/** As `listing-size.test.ts`, with 100,000 secrets; the times are shown and not judged. */
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { assertCheap, type LargeTenant, largeTenant } from './listing-size.ts';

const COUNT = Math.max(10_000, Math.round(100_000 * Number(process.env.DRILL_SCALE ?? '1')));
const test = suite(`a list among ${COUNT} secrets`, { timeoutMs: 300_000 });
let tenant: LargeTenant;

test.before(async () => {
  tenant = await largeTenant(COUNT);
});
test.after(() => tenant.close());

test('reads what it shows, and steps over a folder whatever that holds', () => assertCheap(tenant, COUNT));

const many = (form: (n: number) => string) => Array.from({ length: 10_000 }, (_, n) => form(n));
const digits = (n: number) => String(n).padStart(7, '0');

const CASES = [
  { name: 'all, by 100', allowed: ['**'], denied: [], limit: 100, folders: false, most: 1 },
  { name: 'all, by 1000', allowed: ['**'], denied: [], limit: 1_000, folders: false, most: 1 },
  { name: 'folders', allowed: ['**'], denied: [], limit: 100, folders: true, most: 1 },
  {
    name: 'a tenth denied',
    allowed: ['**'],
    denied: ['huge/*7'],
    limit: 1_000,
    folders: false,
    most: 1,
  },
  {
    name: '10,000 paths',
    // In a small tenant most of them lead nowhere, and are looked through 1,024 at a time.
    allowed: many((n) => `huge/${digits(n * 10)}`),
    denied: [],
    limit: 1_000,
    folders: false,
    most: 13,
  },
  {
    name: '10,000 paths denied',
    allowed: ['**'],
    denied: many((n) => `huge/${digits(n * 10)}`),
    limit: 1_000,
    folders: false,
    most: 4,
  },
  {
    name: '10,000 patterns',
    allowed: many((n) => `*/${digits(n * 10)}*`),
    denied: [],
    limit: 1_000,
    folders: false,
    most: 9,
  },
  {
    name: '10,000 patterns, folders',
    allowed: many((n) => `*/${digits(n * 10)}*`),
    denied: [],
    limit: 100,
    folders: true,
    most: 9,
  },
] as const;

for (const { name, allowed, denied, limit, folders, most } of CASES) {
  test(`${name}: a bounded number of statements a page`, async () => {
    const { statements, ms, pages, entries } = await tenant.cost(allowed, denied, { limit, folders });
    console.log(
      `${name}: ${pages} pages, ${entries} lines, ${statements.toFixed(1)} statements and ${ms.toFixed(1)} ms a page`,
    );
    assert.ok(entries > 0);
    assert.ok(statements <= most, `${statements} statements a page`);
  });
}

test.run();
