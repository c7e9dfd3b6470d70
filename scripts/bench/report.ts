import type { Budget } from './budget.ts';
import type { Measure } from './measures.ts';
import type { Options } from './options.ts';
import type { Measured, Result } from './rounds.ts';
import type { Amounts } from './subject.ts';
import type { Machine } from './world.ts';

export interface Report {
  readonly revision: string;
  readonly against: string | null;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly options: Options;
  readonly amounts: Amounts;
  readonly measured: readonly Measured[];
  /** What one read costs in things that can be counted; empty unless asked for. */
  readonly budget: readonly Budget[];
}

/** The document that `--json` prints and `bench.json` holds. */
export function reportDocument({ measured, options, ...rest }: Report): object {
  const { seconds, rounds, connections, scale } = options;
  return {
    ...rest,
    options: { seconds, rounds, connections, scale },
    measures: measured.map(({ measure, results }) => ({
      name: measure.name,
      title: measure.title,
      unit: measure.unit,
      aim: measure.aim?.text ?? null,
      results: Object.fromEntries(results),
    })),
  };
}

export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

/** Above 1 is more, whether that is good or bad. */
function ratio(one: number, other: number): string {
  return Number.isFinite(one / other) ? `× ${(one / other).toFixed(2)}` : '-';
}

function aimOf({ aim }: Measure, result: Result): string {
  if (aim === undefined || !Number.isFinite(result.median)) return '';
  const { median: value, p99 } = result;
  return `${aim.text}: ${aim.holds({ value, ...(p99 === null ? {} : { p99 }) }) ? 'met' : 'missed'}`;
}

/** The table for people; columns are as wide as they need to be. */
export function reportTable({ measured, against }: Report): string {
  const [now = 'now'] = measured[0]?.results.keys() ?? [];
  const empty = measured.find(({ measure }) => measure.name === 'empty')?.results.get(now);
  const rows = measured.map(({ measure, results }) => {
    const result = results.get(now);
    if (result === undefined) return [measure.title];
    return [
      measure.title,
      `${number(result.median)} ${measure.unit}`,
      result.samples.length === 0 ? '-' : `${number(result.lowest)} to ${number(result.highest)}`,
      result.p50 === null ? '' : number(result.p50),
      result.p99 === null ? '' : number(result.p99),
      result.cpu === null ? '' : number(result.cpu),
      measure.unit === '/s' ? shareOf(result, empty) : '',
      ...(against === null ? [] : comparison(result, results.get(against), measure)),
      aimOf(measure, result),
    ];
  });
  const head = ['', 'median', 'lowest to highest', 'p50 ms', 'p99 ms', 'CPU µs', 'of empty'];
  return aligned([[...head, ...(against === null ? [] : [against, 'now to it', 'CPU to it']), 'aim'], ...rows]);
}

function shareOf(result: Result, whole: Result | undefined): string {
  const share = (100 * result.median) / (whole?.median ?? Number.NaN);
  return Number.isFinite(share) ? `${share.toFixed(0)} %` : '-';
}

/** The other build's value, and how this one's value and processor time stand to it. */
function comparison(now: Result, former: Result | undefined, measure: Measure): readonly string[] {
  if (measure.ofMachine) return ['', '', ''];
  if (former === undefined || former.samples.length === 0) return ['-', '-', '-'];
  const cpu = now.cpu === null || former.cpu === null ? '' : ratio(now.cpu, former.cpu);
  return [`${number(former.median)} ${measure.unit}`, ratio(now.median, former.median), cpu];
}

function aligned(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        // The first and the last column are words, the others numbers.
        .map((cell, at) =>
          at === 0 || at === columns - 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Lines about the machine and the run, without which the numbers mean nothing. */
export function reportFacts({ machine, options, amounts, revision, against }: Report): string {
  const { cores, cpu, memoryGb, kernel, node, postgres, redis, fsync, synchronousCommit, inMemory } = machine;
  return [
    `ScaiVault ${revision}${against === null ? '' : `, beside ${against}`}; one process, audit, authorisation and limits on`,
    `${cores} cores (${cpu}), ${memoryGb} GB, Linux ${kernel}, Node.js ${node}; the load, PostgreSQL and Redis share them`,
    `PostgreSQL ${postgres}: fsync ${fsync}, synchronous_commit ${synchronousCommit}${inMemory ? '; its files lie in MEMORY, so fsync costs nothing here' : ''}; Redis ${redis}`,
    `${options.rounds} rounds of ${options.seconds} s each, ${options.connections} connections; ${number(amounts.secrets)} secrets, ${number(amounts.listed)} more to list`,
  ].join('\n');
}

/** What could not be measured, and why. */
export function reportGaps({ measured }: Report): readonly string[] {
  return measured.flatMap(({ measure, results }) =>
    [...results].flatMap(([label, { missing }]) =>
      missing === null ? [] : [`${measure.name} (${label}): ${missing.slice(0, 300)}`],
    ),
  );
}
