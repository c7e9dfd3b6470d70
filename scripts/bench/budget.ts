/** What one audited read costs in things that can be counted; the source of the table in docs/performance.md. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { load, request } from './load.ts';
import type { Context } from './measures.ts';
import { type Serving, type Subject, startServing } from './subject.ts';

export interface Budget {
  readonly connections: number;
  readonly reads: number;
  /** How often each happened, a read. */
  readonly perRead: Readonly<Record<string, number>>;
}

const READS = { patient: 2_000, quick: 200 };
// PostgreSQL publishes what an idle connection has done after ten seconds.
const PUBLISHED_AFTER_MS = 11_000;

/**
 * One connection shows the read alone, several what they share.
 * @param patient waits for what PostgreSQL publishes late; otherwise its counts mean nothing
 */
export async function measureBudget(subject: Subject, context: Context, patient: boolean): Promise<readonly Budget[]> {
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-budget-'));
  const file = join(directory, 'counts.json');
  const { env } = subject.environment;
  const serving = await startServing(subject.build.program, { ...env, BENCH_COUNTS: file }, [
    '--import',
    join(import.meta.dirname, 'counting.ts'),
  ]);
  try {
    const budgets: Budget[] = [];
    for (const connections of [1, context.options.connections]) {
      budgets.push(await countReads(subject, serving, file, connections, context, patient));
    }
    return budgets;
  } finally {
    await serving.stop();
    await rm(directory, { recursive: true });
  }
}

async function countReads(
  subject: Subject,
  serving: Serving,
  file: string,
  connections: number,
  context: Context,
  patient: boolean,
): Promise<Budget> {
  const [reads, wait] = patient ? [READS.patient, PUBLISHED_AFTER_MS] : [READS.quick, 0];
  const bytes = request('GET', '/v1/secrets/hot/one', subject.token);
  const send = (count: number) => {
    let left = count;
    return load({
      port: serving.port,
      connections,
      seconds: 600,
      next: () => (left-- > 0 ? bytes : null),
      signal: context.signal,
    });
  };
  await send(reads);
  await sleep(wait);
  const before = await serverCounts(subject, context);
  serving.process.kill('SIGUSR2');
  await sleep(200);
  await send(reads);
  serving.process.kill('SIGUSR2');
  await sleep(wait);
  const after = await serverCounts(subject, context);
  const inside = await countsIn(file);
  const counted = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
  const all = { ...counted, ...inside.crypto, 'bytes allocated': inside.allocatedBytes ?? Number.NaN };
  await rm(file);
  const perRead = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value / reads]));
  return { connections, reads, perRead };
}

interface Inside {
  readonly crypto: Readonly<Record<string, number>>;
  readonly allocatedBytes: number | null;
}

async function countsIn(file: string): Promise<Inside> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('}')) return JSON.parse(text) as Inside;
    await sleep(50);
  }
  throw new Error('the server did not write down what it counted');
}

/** Transactions and flushes of the write-ahead log, and commands of Redis, since their servers started. */
async function serverCounts({ environment }: Subject, { world }: Context): Promise<Readonly<Record<string, number>>> {
  const client = new Client({ connectionString: environment.databaseUrl });
  await client.connect();
  const { rows } = await client.query(
    `SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::int AS "PostgreSQL transactions",
       (SELECT wal_sync FROM pg_stat_wal)::int AS "log flushes (fsync)"`,
  );
  await client.end();
  const redis = new Redis(world.redisUrl);
  const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats')) ?? [];
  redis.disconnect();
  return { ...(rows[0] as Record<string, number>), 'Redis scripts': Number(calls) };
}

export function budgetTable(budgets: readonly Budget[]): string {
  const names = [...new Set(budgets.flatMap(({ perRead }) => Object.keys(perRead)))];
  const head = ['a read, at connections', ...budgets.map(({ connections }) => String(connections))];
  const rows = names.map((name) => [name, ...budgets.map(({ perRead }) => (perRead[name] ?? 0).toFixed(2))]);
  const width = Math.max(...[head, ...rows].map(([name = '']) => name.length));
  return [head, ...rows]
    .map(([name = '', ...values]) => `${name.padEnd(width)}${values.map((value) => value.padStart(12)).join('')}`)
    .join('\n');
}
