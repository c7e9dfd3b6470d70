/** `make bench`: see `options.ts` for what can be asked, docs/performance.md for what the numbers mean. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Budget, budgetTable, measureBudget } from './budget.ts';
import { buildOf, currentBuild, currentRevision } from './builds.ts';
import { reportChart } from './chart.ts';
import { MEASURES } from './measures.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { type Report, reportDocument, reportFacts, reportGaps, reportTable } from './report.ts';
import { measureInRounds } from './rounds.ts';
import { type Amounts, type Subject, startSubject } from './subject.ts';
import { startWorld } from './world.ts';

const INTERRUPTED = 130;
const abort = new AbortController();
// Ctrl-C reaches the servers too; what they have left is removed all the same.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());
const say = (line: string): void => void process.stderr.write(`${line}\n`);

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(`${USAGE}\n`);
  else process.exitCode = await main(options);
} catch (error) {
  if (!abort.signal.aborted) say(error instanceof Error ? error.message : String(error));
  process.exitCode = abort.signal.aborted ? INTERRUPTED : 1;
}

async function main(options: Options): Promise<number> {
  const measures = MEASURES.filter(
    ({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
  );
  const wantsBudget = options.only.includes('budget');
  if (measures.length === 0 && !wantsBudget) throw new Error(`nothing is called ${options.only}\n\n${USAGE}`);
  const startedAt = new Date().toISOString();
  const builds = [currentBuild(options.program)];
  if (options.against !== null) builds.push(await buildOf(options.against, say));

  await using opened = new AsyncDisposableStack();
  const world = await startWorld(opened, say);
  const amounts = amountsOf(options.scale);
  const subjects: Subject[] = [];
  for (const build of builds) {
    say(`starting and filling ${build.label} ...`);
    subjects.push(await startSubject(build, world, amounts, opened, abort.signal));
  }
  const context = { world, options, signal: abort.signal };
  const measured = measures.length === 0 ? [] : await measureInRounds(measures, subjects, context, say);
  const [now] = subjects;
  const budget = wantsBudget && now !== undefined ? await measureBudget(now, context, options.scale >= 1) : [];
  return publish({
    revision: currentRevision(),
    against: builds[1]?.label ?? null,
    startedAt,
    machine: world.machine,
    options,
    amounts,
    measured,
    budget,
  });
}

function atLeast(least: number, amount: number): number {
  return Math.max(least, Math.round(amount));
}

function amountsOf(scale: number): Amounts {
  return {
    secrets: atLeast(100, 10_000 * scale),
    // Whole pages of a hundred.
    listed: 100 * atLeast(1, 1_000 * scale),
    written: atLeast(10, 1_000 * scale),
  };
}

function budgetOf(budget: readonly Budget[]): string {
  return budget.length === 0 ? '' : budgetTable(budget);
}

/** @returns the exit code: 1 when something of the present build could not be measured */
async function publish(report: Report): Promise<number> {
  const { out, json } = report.options;
  const text = `${JSON.stringify(reportDocument(report), null, 2)}\n`;
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'bench.json'), text);
  await writeFile(join(out, 'bench.svg'), reportChart(report));
  const tables = [reportFacts(report), report.measured.length > 0 && reportTable(report), budgetOf(report.budget)];
  process.stdout.write(json ? text : `${tables.filter((table) => table).join('\n\n')}\n`);
  const gaps = reportGaps(report);
  for (const gap of gaps) say(`not measured: ${gap}`);
  say(`${join(out, 'bench.json')}, bench.svg`);
  return gaps.some((gap) => gap.includes('(now)')) ? 1 : 0;
}
