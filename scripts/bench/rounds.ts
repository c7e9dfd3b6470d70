import type { Context, Measure, Sample } from './measures.ts';
import { median } from './statistics.ts';
import type { Subject } from './subject.ts';

/** What the rounds of one measure of one build came to. */
export interface Result {
  readonly samples: readonly Sample[];
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** Medians over the rounds, in milliseconds. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Microseconds of processor time of the server's process, a request. */
  readonly cpu: number | null;
  /** Why there are no samples. */
  readonly missing: string | null;
}

export interface Measured {
  readonly measure: Measure;
  /** By label of the build. */
  readonly results: ReadonlyMap<string, Result>;
}

/** Before the rounds: compilers of the run time, caches and plans are to be warm in all of them. */
const WARM_UP_SECONDS = 0.5;

interface Cell {
  readonly measure: Measure;
  readonly subject: Subject;
  readonly samples: Sample[];
  missing: string | null;
}

/** Measures everything in turns, so that a machine that is slow for a while is so for all. */
export async function measureInRounds(
  measures: readonly Measure[],
  subjects: readonly Subject[],
  context: Context,
  say: (line: string) => void,
): Promise<readonly Measured[]> {
  const cells: Cell[] = measures.flatMap((measure) =>
    (measure.ofMachine ? subjects.slice(0, 1) : subjects).map((subject) => ({
      measure,
      subject,
      samples: [],
      missing: null,
    })),
  );
  const warmUp = {
    ...context,
    options: { ...context.options, seconds: Math.min(WARM_UP_SECONDS, context.options.seconds) },
  };
  say('warming up ...');
  for (const cell of cells) await once(cell, warmUp, false);
  for (let round = 1; round <= context.options.rounds; round++) {
    say(`round ${round} of ${context.options.rounds} ...`);
    // Backwards every other time: whoever comes after a heavy measure is not always the same.
    for (const cell of round % 2 === 0 ? cells.toReversed() : cells) await once(cell, context, true);
  }
  return measures.map((measure) => {
    const own = cells.filter((cell) => cell.measure === measure);
    return { measure, results: new Map(own.map((cell) => [cell.subject.build.label, resultOf(cell)])) };
  });
}

async function once(cell: Cell, context: Context, counts: boolean): Promise<void> {
  context.signal.throwIfAborted();
  if (cell.missing !== null) return;
  try {
    const sample = await cell.measure.run(cell.subject, context);
    if (sample === null) cell.missing = 'this build has no such measurement';
    else if (counts) cell.samples.push(sample);
  } catch (error) {
    context.signal.throwIfAborted();
    cell.missing = error instanceof Error ? error.message : String(error);
  }
}

function resultOf({ samples, missing }: Cell): Result {
  const values = samples.map(({ value }) => value);
  const over = (pick: (sample: Sample) => number | undefined): number | null => {
    const known = samples.map(pick).filter((value) => value !== undefined);
    return known.length === 0 ? null : median(known);
  };
  return {
    samples,
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    p50: over(({ p50 }) => p50),
    p99: over(({ p99 }) => p99),
    cpu: over(({ cpu }) => cpu),
    missing,
  };
}
