import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export type Tier = 'quick' | 'drill';

export interface Options {
  readonly tier: Tier;
  readonly jobs: number;
  readonly timeoutMs: number;
  readonly exitMs: number;
  readonly servers: boolean;
  readonly coverage: boolean;
  /** Paths, or parts of paths; empty for all. */
  readonly patterns: readonly string[];
}

const USAGE = `usage: node scripts/test/run.ts [--tier quick|drill] [--jobs N] [--timeout SECONDS] [--exit-timeout SECONDS]
       [--coverage] [--no-servers] [FILE or part of a path ...]`;

const FILE_SECONDS: Readonly<Record<Tier, number>> = { quick: 120, drill: 600 };
const EXIT_SECONDS = 10;

/** @throws Error with the usage */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      tier: { type: 'string', default: 'quick' },
      jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      timeout: { type: 'string' },
      'exit-timeout': { type: 'string', default: String(EXIT_SECONDS) },
      coverage: { type: 'boolean', default: false },
      'no-servers': { type: 'boolean', default: false },
    },
  });
  const tier = values.tier;
  if (tier !== 'quick' && tier !== 'drill') throw new Error(USAGE);
  return {
    tier,
    jobs: positive(values.jobs),
    timeoutMs: positive(values.timeout ?? String(FILE_SECONDS[tier])) * 1000,
    exitMs: positive(values['exit-timeout']) * 1000,
    servers: !values['no-servers'],
    coverage: values.coverage,
    patterns: positionals,
  };
}

function positive(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(USAGE);
  return number;
}
