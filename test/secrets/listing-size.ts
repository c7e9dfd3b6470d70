/** What a page of a large tenant costs: statements, and rows that the database reads for each. */
import { Client } from 'pg';
import * as assert from 'uvu/assert';
import { segmentsOf } from '../../src/secrets/listing/segments.ts';
import { ACME } from '../policy/house.ts';
import { allStatements } from '../postgres/statements.ts';
import { type Asked, beyond, judgeBy, listRules, openShelf, pagesOf, type Shelf } from './listing-fixtures.ts';

const TEAMS = 20;

/** One folder holds nearly all. */
function fillWith(count: number): readonly string[] {
  const few = Array.from({ length: TEAMS * 10 }, (_, n) => `team-${n % TEAMS}/app-${n % 7}/db-${n}`);
  return [...few, ...Array.from({ length: count }, (_, n) => `huge/${String(n).padStart(7, '0')}`)];
}

interface Plan {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

function rowsRead(plan: Plan): number {
  const below = (plan.Plans ?? []).reduce((sum, each) => sum + rowsRead(each), 0);
  if (plan['Relation Name'] !== 'secrets') return below;
  return below + (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
}

export interface LargeTenant {
  readonly shelf: Shelf;
  /** Rows of secrets that one statement of the list reads, planned for these values and for any. */
  rowsRead(
    statementName: string,
    allowed: readonly string[],
    asked?: Asked & { from?: string },
  ): Promise<readonly number[]>;
  /** Statements and milliseconds of each page. */
  cost(
    allowed: readonly string[],
    denied: readonly string[],
    asked: Asked,
  ): Promise<{ statements: number; ms: number; pages: number; entries: number }>;
  close(): Promise<void>;
}

export async function largeTenant(count: number): Promise<LargeTenant> {
  const shelf = await openShelf();
  await shelf.store(fillWith(count));
  const client = new Client({ connectionString: shelf.url });
  await client.connect();
  await client.query('ANALYZE secrets');
  const statements = await allStatements();
  return {
    shelf,
    rowsRead: async (name, allowed, { prefix = '', limit = 100, from = prefix } = {}) => {
      const text = statements.find((each) => each.name === name)!.text;
      const segments = segmentsOf(judgeBy(listRules(allowed)).reach('secret', 'list'), from, beyond(prefix));
      const array = (texts: readonly string[]) => `ARRAY[${texts.map((each) => `'${each}'`).join()}]::text[]`;
      const values = [
        `'${ACME.tenantId}'`,
        ...(['from', 'to', 'allow', 'deny'] as const).map((each) => array(segments.map((segment) => segment[each]))),
        limit + 1,
        ...Array.from({ length: 6 }, () => 'NULL'),
        ...(name === 'secrets.list_folders' ? [prefix.length] : []),
      ];
      const read: number[] = [];
      await client.query(`PREPARE looked AS ${text}`);
      for (const mode of ['force_custom_plan', 'force_generic_plan']) {
        await client.query(`SET plan_cache_mode = ${mode}`);
        const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked(${values.join()})`);
        read.push(rowsRead(rows[0]['QUERY PLAN'][0].Plan));
      }
      await client.query('DEALLOCATE looked');
      return read;
    },
    cost: async (allowed, denied, asked) => {
      const judge = judgeBy(listRules(allowed, denied));
      shelf.sent();
      const started = performance.now();
      const pages = await pagesOf(shelf, judge, asked);
      const ms = performance.now() - started;
      const entries = pages.reduce((sum, page) => sum + page.entries.length, 0);
      return { statements: shelf.sent().length / pages.length, ms: ms / pages.length, pages: pages.length, entries };
    },
    close: async () => {
      await client.end();
      await shelf.close();
    },
  };
}

/** That a page reads what it shows, wherever it begins, and steps over a folder whatever that holds. */
export async function assertCheap({ rowsRead: read }: LargeTenant, count: number): Promise<void> {
  const middle = `huge/${String(Math.floor(count / 2)).padStart(7, '0')}`;
  for (const from of ['', 'huge/', middle, 'team-']) {
    for (const rows of await read('secrets.list_rows', ['**'], { limit: 100, from })) {
      assert.ok(rows <= 101, `${rows} rows read for a page of 100 from "${from}"`);
    }
  }
  for (const rows of await read('secrets.list_rows', ['huge/**', 'team-1/**', 'team-2/**'], { limit: 100 })) {
    assert.ok(rows <= 101 + 20, `${rows} rows read for a page of 100 in three stretches`);
  }
  for (const rows of await read('secrets.list_folders', ['**'], { limit: 100 })) {
    assert.ok(rows <= 2 * (TEAMS + 1), `${rows} rows read for ${TEAMS + 1} folders`);
  }
}
