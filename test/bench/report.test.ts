import * as assert from 'uvu/assert';
import { reportChart } from '../../scripts/bench/chart.ts';
import { MEASURES } from '../../scripts/bench/measures.ts';
import { parseOptions } from '../../scripts/bench/options.ts';
import { type Report, reportDocument, reportFacts, reportGaps, reportTable } from '../../scripts/bench/report.ts';
import type { Result } from '../../scripts/bench/rounds.ts';
import { suite } from '../support/suite.ts';

const test = suite('the report of the bench');

function result(values: readonly number[], p99: number | null = null, missing: string | null = null): Result {
  return {
    samples: values.map((value) => ({ value })),
    median: values[Math.floor(values.length / 2)] ?? Number.NaN,
    lowest: Math.min(...values),
    highest: Math.max(...values),
    p50: p99,
    p99,
    cpu: p99 === null ? null : 100,
    missing,
  };
}

const measureOf = (name: string) => MEASURES.find((measure) => measure.name === name)!;

function report(against: string | null): Report {
  const other = (value: Result): [string, Result][] => (against === null ? [] : [[against, value]]);
  return {
    revision: 'abc <&> with changes',
    against,
    startedAt: '2026-01-01T00:00:00Z',
    machine: {
      ...{ cores: 2, cpu: 'CPU', memoryGb: 8, kernel: '6', node: 'v24', postgres: '17', redis: '7' },
      ...{ fsync: 'on', synchronousCommit: 'on', inMemory: true },
    },
    options: parseOptions([])!,
    amounts: { secrets: 10_000, listed: 100_000, written: 1_000 },
    measured: [
      { measure: measureOf('empty'), results: new Map([['now', result([50_000, 60_000, 70_000], 1)]]) },
      {
        measure: measureOf('read-hot'),
        results: new Map([['now', result([6_000, 9_000, 9_500], 12)], ...other(result([4_500], 30))]),
      },
      {
        measure: measureOf('write'),
        results: new Map([['now', result([900], 40)], ...other(result([], null, '404'))]),
      },
      { measure: measureOf('list'), results: new Map([['now', result([], null, 'the reason')]]) },
    ],
    budget: [],
  };
}

test('shows median, spread, share of the empty route and whether the aim was met', () => {
  const lines = reportTable(report(null)).split('\n');
  const read = lines.find((line) => line.startsWith('audited read, one secret'));
  assert.match(read!, /9,000 \/s +6,000 to 9,500 +12 +12 +100 +15 % +≥ 5,000\/s, p99 < 20 ms: met$/);
  assert.match(lines.find((line) => line.startsWith('audited write'))!, /≥ 1,500\/s: missed$/);
  assert.not.match(reportTable(report(null)), /NaN|Infinity|undefined|null/);
});

test('shows the other build and how this one stands to it', () => {
  const table = reportTable(report('0123456789'));
  assert.match(table, /^ +median .* 0123456789 +now to it +CPU to it +aim$/m);
  assert.match(table, /audited read, one secret.* 4,500 \/s +× 2\.00 +× 1\.00 /);
  assert.not.match(table, /NaN|Infinity|undefined|null/);
});

test('says what was not measured, and that a database in memory proves nothing', () => {
  assert.equal(reportGaps(report('0123456789')), ['write (0123456789): 404', 'list (now): the reason']);
  assert.match(reportFacts(report(null)), /in MEMORY/);
});

test('is a picture that parses, whatever the names', () => {
  for (const against of [null, 'x"<>']) {
    const svg = reportChart(report(against));
    assert.match(svg, /^<svg [^>]*>[\s\S]*<\/svg>\n$/);
    assert.not.match(svg, /NaN|Infinity|undefined/);
    assert.not.match(svg.replace(/<\/?(?:svg|style|rect|line|text)\b[^<>]*>/g, ''), /[<>]/, 'nothing unescaped');
  }
});

test('is one JSON document with every sample', () => {
  const document = JSON.parse(JSON.stringify(reportDocument(report('0123456789'))));
  assert.equal(Object.keys(document.measures[1].results), ['now', '0123456789']);
  assert.is(document.measures[1].results.now.samples.length, 3);
  assert.is(document.machine.fsync, 'on');
});

test('is asked for by options that are checked', () => {
  assert.is(parseOptions(['--help']), null);
  const options = parseOptions(['--only', 'read,write', '--seconds', '0.5', '--rounds', '3', '--against', 'HEAD~1'])!;
  assert.equal(
    [options.only, options.seconds, options.rounds, options.against, options.json],
    [['read', 'write'], 0.5, 3, 'HEAD~1', false],
  );
  for (const args of [
    ['--seconds', '0'],
    ['--seconds', 'NaN'],
    ['--seconds', '-1'],
    ['--rounds', '1.5'],
    ['--rounds', '0'],
    ['--connections', 'many'],
    ['--scale', 'Infinity'],
    ['--nonsense'],
    ['read'],
  ]) {
    assert.throws(() => parseOptions(args), /usage: node scripts\/bench\/bench\.ts/, args.join(' '));
  }
});

test.run();
