/** The counts that uvu prints at the end of a file. */
export interface Summary {
  readonly total: number;
  readonly passed: number;
  /** Never started. */
  readonly skipped: number;
  /** Started, then found that they cannot run here (`test/support/suite.ts`); uvu counts them as passed. */
  readonly skippedAtRunTime: number;
}

/** Starts the line that a test prints when it skips itself. */
export const SKIP_MARK = '# SKIP ';

const SUMMARY = / {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n/g;

/** Undefined as long as the file has not come to its end. */
export function readSummary(output: string): Summary | undefined {
  const last = [...output.matchAll(SUMMARY)].at(-1);
  if (last === undefined) return undefined;
  const [total = 0, passed = 0, skipped = 0] = last.slice(1).map(Number);
  const skippedAtRunTime = output.split('\n').filter((line) => line.startsWith(SKIP_MARK)).length;
  return { total, passed, skipped, skippedAtRunTime };
}
