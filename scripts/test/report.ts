import type { FileResult } from './process.ts';

const SLOWEST = 3;

/** A line for each file as it ends; what it printed follows when something is wrong with it. */
export function describeFile(result: FileResult): string {
  const count = result.passed + result.failed + result.skipped;
  const line = `${result.failed > 0 ? 'FAIL' : 'ok  '} ${result.file} (${count} tests, ${seconds(result.ms)})`;
  if (result.failed === 0) return line;
  const problem = result.problem === undefined ? '' : `\n     ${result.file}: ${result.problem}`;
  return `${line}${problem}\n${result.output.trimEnd()}\n`;
}

/** Where the time went, what failed, and as the last line the counts, which a machine reads. */
export function describeRun(results: readonly FileResult[], ms: number): string {
  const slowest = [...results].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  const names = slowest.map((result) => `${result.file} ${seconds(result.ms)}`).join(', ');
  const failures = results.filter((result) => result.failed > 0);
  const sum = (key: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[key], 0);
  return [
    '',
    ...failures.map((result) => `FAIL ${result.file}${result.problem === undefined ? '' : `: ${result.problem}`}`),
    `${results.length} files in ${seconds(ms)}; slowest: ${names}`,
    `${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`,
    '',
  ].join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
