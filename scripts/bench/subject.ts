/** One build, serving: a production process of its own on a database of its own that was filled through it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { client, type TestEnvironment, testEnvironment } from '../../test/support/server.ts';
import type { Build } from './builds.ts';
import { load, request } from './load.ts';
import { ended, type World } from './world.ts';

export interface Amounts {
  readonly secrets: number;
  readonly listed: number;
  /** Paths that writes are spread over. */
  readonly written: number;
}

export interface Subject {
  readonly build: Build;
  readonly port: number;
  readonly pid: number;
  readonly environment: TestEnvironment;
  readonly amounts: Amounts;
  /** The token of the caller that may do all that is measured. */
  readonly token: string;
  /** A token of the same caller that the server has not seen. */
  newToken(): string;
  /** Starts a second process of the same build on the same database. */
  startAnother(): Promise<Serving>;
}

export interface Serving {
  readonly process: ChildProcess;
  readonly port: number;
  /** From the start of the process to the line that says that it is ready. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

/** Limits are on, and count, but refuse nobody here. */
const RATES = ['SECRETS_READ', 'SECRETS_WRITE', 'LIST', 'BATCH_READ', 'BATCH_METADATA', 'POLICY'];
const UNREACHED = Object.fromEntries(RATES.map((name) => [`RATE_LIMIT_${name}`, '1000000000/min']));
const READY_LIMIT_MS = 60_000;
const READY = /"address":"[^"]*:(\d+)"[^\n]*"msg":"ready"/;
const RULES_AROUND = 20;
/** USER_HZ of Linux. */
const TICKS_A_SECOND = 100;

export const randomPath = (at: number): string => `random/team-${at % 100}/secret-${at}`;
export const writtenPath = (at: number): string => `written/secret-${at}`;
export const LISTED_A_PAGE = 100;
const DATA = { username: 'app', password: 'correct horse battery staple', host: 'db.internal', port: 5432 };
export const secretBody = (): object => ({ data: DATA, metadata: { description: 'measured', tags: ['bench'] } });

/** @param before arguments of node before the program */
export async function startServing(
  program: string,
  env: Readonly<Record<string, string>>,
  before: readonly string[] = [],
): Promise<Serving> {
  // The log goes to a file: reading it would take time of the very processor that is measured.
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-bench-'));
  const log = join(directory, 'log');
  const descriptor = openSync(log, 'w');
  const started = performance.now();
  const child = spawn(process.execPath, [...before, program, 'serve'], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', descriptor, descriptor],
  });
  closeSync(descriptor);
  const stop = async () => {
    await ended(child);
    await rm(directory, { recursive: true, force: true });
  };
  for (;;) {
    const said = await readFile(log, 'utf8');
    const port = READY.exec(said)?.[1];
    if (port !== undefined) return { process: child, port: Number(port), readyMs: performance.now() - started, stop };
    if (child.exitCode !== null || performance.now() - started > READY_LIMIT_MS) {
      await stop();
      throw new Error(`${program} serve did not become ready:\n${said.slice(-3000)}`);
    }
    await sleep(2);
  }
}

/** Starts, fills and warms a build. */
export async function startSubject(
  build: Build,
  world: World,
  amounts: Amounts,
  opened: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Subject> {
  process.env.TEST_DATABASE_URL = world.databaseServer;
  process.env.TEST_REDIS_URL = world.redisUrl;
  const environment = await testEnvironment(UNREACHED);
  opened.defer(() => environment.remove());
  const serving = await startServing(build.program, environment.env);
  opened.defer(() => serving.stop());
  const { token, allow } = client(environment, `http://127.0.0.1:${serving.port}`);
  await allow(rules());
  const subject: Subject = {
    build,
    port: serving.port,
    pid: serving.process.pid ?? 0,
    environment,
    amounts,
    token: token(),
    newToken: () => token({ jti: crypto.randomUUID() }),
    startAnother: () => startServing(build.program, environment.env),
  };
  await fill(subject, signal);
  return subject;
}

/** What is measured, amid what a tenant of some size has beside it. */
function rules(): readonly object[] {
  const around = Array.from({ length: RULES_AROUND }, (_, at) => ({
    path_pattern: `team-${at}/app-*/**`,
    permissions: ['read', 'list'],
  }));
  const measured = ['hot/**', 'random/**', 'written/**', 'listed/**'].map((path_pattern) => ({
    path_pattern,
    permissions: ['read', 'write', 'list'],
  }));
  return [...around, ...measured];
}

async function fill(subject: Subject, signal: AbortSignal): Promise<void> {
  const { amounts, token, port } = subject;
  const random = Array.from({ length: amounts.secrets }, (_, at) => randomPath(at));
  const written = Array.from({ length: amounts.written }, (_, at) => writtenPath(at));
  const paths = ['hot/one', ...random, ...written].values();
  const next = () => {
    const { value, done } = paths.next();
    return done ? null : request('PUT', `/v1/secrets/${value}`, token, secretBody());
  };
  await load({ port, connections: 32, seconds: 600, next, signal });
  await fillListed(subject);
}

/** A list looks at names only, so these have no values: 100,000 writes would take longer than all that is measured. */
async function fillListed({ environment, amounts }: Subject): Promise<void> {
  const database = new Client({ connectionString: environment.databaseUrl });
  await database.connect();
  await database.query(
    `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version, description, tags)
     SELECT $1, 'sec_listed_' || n, 'listed/folder-' || n / $3::int || '/secret-' || n % $3::int, 'kv', 1, 'listed', '{bench}'
     FROM generate_series(0, $2::int - 1) n`,
    [environment.tenantId, amounts.listed, LISTED_A_PAGE],
  );
  await database.query('ANALYZE');
  await database.end();
}

/** Processor time that a process has used, in microseconds, exact to a hundredth of a second. */
export async function processorMicros(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name in brackets, which may hold anything: user and system time are the 12th and 13th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * (1e6 / TICKS_A_SECOND);
}

/** Resident memory of a process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
