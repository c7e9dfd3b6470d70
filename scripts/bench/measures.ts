/** What is measured, in the order of the table. Each knows how to be measured for one round. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, statement } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { load, request } from './load.ts';
import type { Options } from './options.ts';
import {
  LISTED_A_PAGE,
  processorMicros,
  randomPath,
  residentBytes,
  type Subject,
  secretBody,
  writtenPath,
} from './subject.ts';
import type { World } from './world.ts';

export interface Sample {
  /** In the measure's unit. */
  readonly value: number;
  /** Milliseconds; only where requests were sent. */
  readonly p50?: number;
  readonly p99?: number;
  /** Microseconds of processor time that the server's process took for one request. */
  readonly cpu?: number;
}

export interface Context {
  readonly world: World;
  readonly options: Options;
  readonly signal: AbortSignal;
}

/** What a number must reach on two cores, with PostgreSQL and the load on them (issue: aims). */
export interface Aim {
  readonly text: string;
  holds(sample: Sample): boolean;
}

export interface Measure {
  readonly name: string;
  readonly title: string;
  readonly unit: '/s' | 'µs' | 'ms' | 'MB';
  /** Of the machine and not of a build: measured once a round. */
  readonly ofMachine?: boolean;
  readonly aim?: Aim;
  /** Before the first round, where waiting in it would be measured. @returns null when this build has no such thing */
  run(subject: Subject, context: Context): Promise<Sample | null>;
}

/** Requests as fast as the connections carry them. */
function requests(prepare: (subject: Subject, options: Options) => () => Buffer | null): Measure['run'] {
  return async (subject, { options, signal }) => {
    const next = prepare(subject, options);
    return loaded(subject.port, subject.pid, next, options, signal);
  };
}

async function loaded(
  port: number,
  pid: number,
  next: () => Buffer | null,
  { seconds, connections }: Options,
  signal: AbortSignal,
): Promise<Sample> {
  const before = await processorMicros(pid);
  const { perSecond, p50, p99, requests } = await load({ port, connections, seconds, next, signal });
  return { value: perSecond, p50, p99, cpu: ((await processorMicros(pid)) - before) / requests };
}

const below = (limit: number): number => Math.floor(Math.random() * limit);

/** The same as `make`, once an argument: making the bytes of a request must not be part of what is measured. */
function remembered<A>(make: (subject: Subject, at: A) => Buffer): (subject: Subject, at: A) => Buffer {
  const known = new WeakMap<Subject, Map<A, Buffer>>();
  return (subject, at) => {
    const mine = known.get(subject) ?? new Map<A, Buffer>();
    known.set(subject, mine);
    const bytes = mine.get(at) ?? make(subject, at);
    mine.set(at, bytes);
    return bytes;
  };
}

const readOf = remembered((subject, path: string) => request('GET', `/v1/secrets/${path}`, subject.token));
const writeOf = remembered((subject, at: number) =>
  request('PUT', `/v1/secrets/${writtenPath(at)}`, subject.token, secretBody()),
);
const pageOf = remembered((subject, folder: number) =>
  request('GET', `/v1/secrets?prefix=listed/folder-${folder}/&limit=${LISTED_A_PAGE}`, subject.token),
);
const BATCHES = 50;
const BATCH = 100;
const batchOf = remembered((subject, _batch: number) => {
  const paths = new Set<string>();
  const most = Math.min(BATCH, subject.amounts.secrets);
  while (paths.size < most) paths.add(randomPath(below(subject.amounts.secrets)));
  return request('POST', '/v1/secrets/batch', subject.token, { paths: [...paths] });
});

/** Each request with a token that the server has not seen: minted before the round, a little more than it can use. */
const readWithNewTokens = requests((subject, { seconds }) => {
  const tokens = Array.from({ length: Math.ceil(seconds * 12_000) }, () => subject.newToken());
  const prepared = tokens.map((token) => request('GET', '/v1/secrets/hot/one', token)).values();
  return () => prepared.next().value ?? null;
});

const emptyRoute: Measure['run'] = async (_subject, { world: { emptyRoute: route }, options, signal }) => {
  const bytes = request('GET', '/', '');
  return loaded(route.port, route.pid, () => bytes, options, signal);
};

const BARE_SELECT = statement(
  'bench.select',
  'SELECT path, current_version FROM secrets WHERE tenant_id = $1 AND id = $2',
);

/** The server's own way to PostgreSQL without a server: one row by its primary key, as many under way as connections. */
const bareSelect: Measure['run'] = async ({ environment, amounts }, { options, signal }) => {
  const settings = { url: environment.databaseUrl, poolMax: 1, statementTimeoutMs: 10_000 };
  const db = await openDatabase(settings);
  try {
    return { value: await selectFor(db, environment.tenantId, amounts.listed, options, signal) };
  } finally {
    await db.close();
  }
};

async function selectFor(
  db: Database,
  tenantId: string,
  rows: number,
  { seconds, connections }: Options,
  signal: AbortSignal,
) {
  let selected = 0;
  const started = performance.now();
  const caller = async () => {
    while (performance.now() - started < seconds * 1000 && !signal.aborted) {
      await db.query(BARE_SELECT, [tenantId, `sec_listed_${below(rows)}`]);
      selected++;
    }
  };
  await Promise.all(Array.from({ length: connections }, caller));
  return (selected * 1000) / (performance.now() - started);
}

function decision(rules: number): Measure['run'] {
  return async ({ build }, { options, signal }) => {
    const script = join(build.sources, 'scripts/bench/decision.ts');
    if (!existsSync(script)) return null;
    const child = spawn(process.execPath, [script, `${rules}`, `${options.seconds}`], { signal });
    const said: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => void said.push(chunk));
    const [code] = (await once(child, 'close')) as [number];
    return code === 0 ? { value: Number(Buffer.concat(said).toString()) } : null;
  };
}

const startToReady: Measure['run'] = async (subject) => {
  const another = await subject.startAnother();
  await another.stop();
  return { value: another.readyMs };
};

const IDLE_SECONDS = 2;

const idleMemory: Measure['run'] = async (subject, { options, signal }) => {
  const another = await subject.startAnother();
  try {
    await sleep(Math.min(IDLE_SECONDS, 2 * options.seconds) * 1000, undefined, { signal });
    return { value: (await residentBytes(another.process.pid ?? 0)) / 1e6 };
  } finally {
    await another.stop();
  }
};

const atLeast = (perSecond: number, p99Ms = Number.POSITIVE_INFINITY): Aim => ({
  text: `≥ ${perSecond.toLocaleString('en')}/s${Number.isFinite(p99Ms) ? `, p99 < ${p99Ms} ms` : ''}`,
  holds: ({ value, p99 = 0 }) => value >= perSecond && p99 < p99Ms,
});
const under = (limit: number, unit: string): Aim => ({
  text: `< ${limit} ${unit}`,
  holds: ({ value }) => value < limit,
});

export const MEASURES: readonly Measure[] = [
  { name: 'empty', title: 'empty node:http route', unit: '/s', ofMachine: true, run: emptyRoute },
  { name: 'select', title: 'bare SELECT by primary key', unit: '/s', ofMachine: true, run: bareSelect },
  {
    name: 'read-hot',
    title: 'audited read, one secret',
    unit: '/s',
    aim: atLeast(5_000, 20),
    run: requests((subject) => () => readOf(subject, 'hot/one')),
  },
  {
    name: 'read-random',
    title: 'audited read, random',
    unit: '/s',
    aim: atLeast(5_000, 20),
    run: requests((subject) => () => readOf(subject, randomPath(below(subject.amounts.secrets)))),
  },
  { name: 'read-new-token', title: 'audited read, token never seen', unit: '/s', run: readWithNewTokens },
  {
    name: 'write',
    title: 'audited write',
    unit: '/s',
    aim: atLeast(1_500),
    run: requests((subject) => () => writeOf(subject, below(subject.amounts.written))),
  },
  {
    name: 'batch',
    title: 'batch read of 100',
    unit: '/s',
    run: requests((subject) => () => batchOf(subject, below(BATCHES))),
  },
  {
    name: 'list',
    title: 'list page of 100',
    unit: '/s',
    run: requests((subject) => () => pageOf(subject, below(subject.amounts.listed / LISTED_A_PAGE))),
  },
  { name: 'decision-10', title: 'policy decision, 10 rules', unit: 'µs', run: decision(10) },
  { name: 'decision-1000', title: 'policy decision, 1,000 rules', unit: 'µs', run: decision(1_000) },
  {
    name: 'decision-10000',
    title: 'policy decision, 10,000 rules',
    unit: 'µs',
    aim: under(5, 'µs'),
    run: decision(10_000),
  },
  { name: 'start', title: 'start to ready', unit: 'ms', run: startToReady },
  { name: 'memory', title: 'idle memory (RSS)', unit: 'MB', aim: under(120, 'MB'), run: idleMemory },
];
