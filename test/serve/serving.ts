/** Production `serve` processes for tests: started from the sources, on real servers. */
import { Client } from 'pg';
import * as assert from 'uvu/assert';
import { type Proof, verifyChains } from '../audit/verifier.ts';
import { type Finished, type Scaivault, scaivault } from '../support/scaivault.ts';
import { client, type TestEnvironment } from '../support/server.ts';

export type Variables = Readonly<Record<string, string>>;

const READY_LIMIT_MS = 40_000;
const running = new Set<Scaivault>();

/** Starts `scaivault serve`; it is not ready yet. A variable given as empty is taken away. */
export function launch(environment: TestEnvironment, variables: Variables = {}, args: readonly string[] = []) {
  const process = scaivault(['serve', ...args], { ...environment.env, ...variables });
  running.add(process);
  void process.finished.then(() => running.delete(process));
  return process;
}

export type Serving = Awaited<ReturnType<typeof serving>>;

/** Starts `scaivault serve` and waits until it is ready. */
export async function serving(environment: TestEnvironment, variables: Variables = {}, args: readonly string[] = []) {
  const process = launch(environment, variables, args);
  const url = await process.ready(READY_LIMIT_MS);
  return {
    ...client(environment, url),
    url,
    process,
    /** Asks it to stop, and waits until it has. */
    stop: (signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> => {
      process.kill(signal);
      return process.finished;
    },
  };
}

/** Ends what a failed test has left running. */
export async function killAll(): Promise<void> {
  const left = [...running];
  for (const process of left) process.kill('SIGKILL');
  await Promise.all(left.map((process) => process.finished));
}

/** The lines of a JSON log, but for the document of a refusal. */
export function logLines(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => 'msg' in line);
}

/** What a refused start said: one readable line on stderr, one JSON line on stdout. */
export function refusal(end: Finished): { readonly line: string; readonly code: string } {
  const lines = end.stderr.trimEnd().split('\n');
  assert.is(lines.length, 1, `one line on stderr:\n${end.stderr}`);
  const documents = end.stdout.split('\n').filter((line) => line.startsWith('{"ok":false'));
  assert.is(documents.length, 1, `one JSON line on stdout:\n${end.stdout}`);
  const { error } = JSON.parse(documents[0]!);
  assert.ok(lines[0]!.startsWith(error.message.replace(/\.$/, '')), `${lines[0]}\n${error.message}`);
  assert.not.match(end.stderr + end.stdout, /\n\s+at /, 'no stack');
  return { line: lines[0]!, code: error.code };
}

/** Every audit chain of the database, recomputed by code that shares nothing with the server's. */
export async function assertChainsHold(databaseUrl: string): Promise<Proof> {
  const proof = await verifyChains(databaseUrl);
  assert.equal(proof.problems, []);
  return proof;
}

/** One statement in a session of its own. */
export async function sql<Row = Record<string, unknown>>(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const session = new Client({ connectionString: databaseUrl });
  await session.connect();
  try {
    return (await session.query(text, [...values])).rows as Row[];
  } finally {
    await session.end();
  }
}

/** A session that holds locks until it is ended. */
export async function session(databaseUrl: string): Promise<Client> {
  const opened = new Client({ connectionString: databaseUrl });
  opened.on('error', () => {});
  await opened.connect();
  return opened;
}

/** Asks until the answer has this status. @throws with the last answer */
export async function untilStatus(
  ask: () => Promise<{ readonly status: number; readonly text: string }>,
  status: number,
  limitMs: number,
): Promise<number> {
  const started = Date.now();
  for (;;) {
    const answer = await ask().catch((error: Error) => ({ status: 0, text: error.message }));
    if (answer.status === status) return Date.now() - started;
    if (Date.now() - started > limitMs) throw new Error(`still ${answer.status}, not ${status}: ${answer.text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
