import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  /** Parts of measures' ids; empty for all. */
  readonly only: readonly string[];
  /** Length of one round of one measure. */
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  /** A commit to compare with. */
  readonly against: string | null;
  readonly json: boolean;
  readonly out: string;
  /** Of the amounts of data; below 1 only for trying the bench itself. */
  readonly scale: number;
  /** What `serve` is started from. */
  readonly program: string;
}

export const USAGE = `usage: node scripts/bench/bench.ts [options]          (make bench BENCH="options")

Measures the built ScaiVault (dist/scaivault.js) as a production server: own PostgreSQL with fsync, own Redis, an issuer
over TLS; audit, authorisation and limits are on. Measures take turns in short rounds, so that a machine that is slower
for a while is so for all of them. docs/performance.md says what each number means.

  --only NAME[,NAME]   only measures whose names contain one of these; "budget" is measured only when it is named
  --seconds N          length of a round of one measure (2)
  --rounds N           how often each is measured (7)
  --connections N      requests under way at the same time (32)
  --against REV        build this commit too, and measure it in the same rounds
  --json               print the JSON document instead of the table
  --out DIR            where bench.json and bench.svg go (.cache/bench/latest)
  --scale N            of the amounts of data (1); less is for trying the bench itself
  --program FILE       what to start instead of dist/scaivault.js; a .ts file runs from the sources
  --help

Examples:
  make bench
  make bench BENCH="--only read,write --rounds 3"
  make bench BENCH="--against HEAD~1 --out /tmp/before-and-after"
  make bench BENCH="--only budget"`;

const ROOT = resolve(import.meta.dirname, '../..');

/** @returns null when the help was asked for @throws Error with what is wrong and the usage */
export function parseOptions(args: readonly string[]): Options | null {
  const { values } = parse(args);
  if (values.help) return null;
  return {
    only: (values.only ?? '').split(',').filter((name) => name !== ''),
    seconds: positive('seconds', values.seconds),
    rounds: whole('rounds', values.rounds),
    connections: whole('connections', values.connections),
    against: values.against ?? null,
    json: values.json,
    out: resolve(values.out ?? resolve(ROOT, '.cache/bench/latest')),
    scale: positive('scale', values.scale),
    program: resolve(ROOT, values.program),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        seconds: { type: 'string', default: '2' },
        rounds: { type: 'string', default: '7' },
        connections: { type: 'string', default: '32' },
        against: { type: 'string' },
        json: { type: 'boolean', default: false },
        out: { type: 'string' },
        scale: { type: 'string', default: '1' },
        program: { type: 'string', default: 'dist/scaivault.js' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0 && Number.isFinite(number))) throw new Error(`--${name} must be a number above 0\n\n${USAGE}`);
  return number;
}

function whole(name: string, text: string): number {
  const number = positive(name, text);
  if (!Number.isInteger(number)) throw new Error(`--${name} must be a whole number\n\n${USAGE}`);
  return number;
}
