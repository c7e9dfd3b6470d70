import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Command, Option } from 'commander';
import { EXIT } from '../src/contract/exit-codes.ts';
import { discardUnpacked, hasPackageFile, migrationsDirectory, readPackageFile } from '../src/lib/assets.ts';
import { forkSettings } from '../src/lib/forks.ts';
import { jsonEnvelope, jsonLine, type Output, processOutput } from './output.ts';

const HELP = `
For whoever builds or packages ScaiVault: tries, on this machine, what can be missing from a build or be forbidden by a
container. Talks to nobody and leaves nothing behind.

Exit codes:
  0   everything works, or was left out when this was built
  1   something does not

Examples:
  scaivault selftest
  scaivault selftest --pkcs11-module /usr/lib/softhsm/libsofthsm2.so --json`;

const AS_WORKER = '--as-cluster-worker';
const WORKERS = 2;

interface Options {
  readonly json?: boolean;
  readonly pkcs11Module?: string;
  readonly asClusterWorker?: boolean;
}

interface Check {
  readonly id: string;
  readonly status: 'pass' | 'fail' | 'skip';
  readonly found: string;
}

/** @returns what was found, in words; null: left out when this was built */
type Trial = () => Promise<string | null>;

async function migrations(): Promise<string> {
  const { readMigrations } = await import('../src/postgres/migrations.ts');
  try {
    return `${(await readMigrations(migrationsDirectory())).length} migrations`;
  } finally {
    discardUnpacked();
  }
}

async function embeddedDatabase(): Promise<string> {
  await WebAssembly.compile(await readPackageFile('pglite/initdb.wasm'));
  return 'its files are here';
}

async function pkcs11(modulePath: string | undefined): Promise<string | null> {
  if (!hasPackageFile('pkcs11.node') && modulePath === undefined) return null;
  const { describeLibrary, loadPkcs11 } = await import('../src/kms/pkcs11.ts');
  await loadPkcs11();
  if (modulePath === undefined) return 'the client can be loaded';
  const { description, manufacturer, version, tokens } = await describeLibrary(modulePath);
  return `${description} (${manufacturer}), PKCS#11 ${version}, ${tokens} tokens`;
}

async function workerThread(): Promise<string> {
  const worker = new Worker("require('node:worker_threads').parentPort.postMessage(require('node:process').pid)", {
    eval: true,
  });
  const [pid] = await once(worker, 'message');
  await worker.terminate();
  if (pid !== process.pid) throw new Error('the thread is not of this process');
  return 'a thread answered';
}

/** What a forked process does: listen on the port that all of them share, until it is told to stop. */
function actAsClusterWorker(): void {
  const server = createServer((_request, response) => response.end(`${process.pid}`));
  server.listen(0, '127.0.0.1');
}

async function clusterProcesses(): Promise<string> {
  cluster.setupPrimary(forkSettings(['selftest', AS_WORKER]));
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  try {
    const addresses = await Promise.all(workers.map((worker) => listening(worker)));
    const ports = new Set(addresses.map(({ port }) => port));
    if (ports.size !== 1) throw new Error('the processes do not share a port');
    const answer = await fetch(`http://127.0.0.1:${[...ports][0]}`, { headers: { connection: 'close' } });
    const pid = Number(await answer.text());
    if (!workers.some((worker) => worker.process.pid === pid)) throw new Error('somebody else answered');
    return `${WORKERS} processes share a port`;
  } finally {
    const gone = workers.map((worker) => (worker.isDead() ? null : once(worker, 'exit')));
    for (const worker of workers) worker.kill();
    await Promise.all(gone);
  }
}

async function listening(worker: ReturnType<typeof cluster.fork>): Promise<AddressInfo> {
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`a process ended with ${code} at once`);
  });
  const [address] = await Promise.race([once(worker, 'listening'), ended]);
  return address as AddressInfo;
}

async function attempt(id: string, trial: Trial): Promise<Check> {
  try {
    const found = await trial();
    return found === null ? { id, status: 'skip', found: 'not in this build' } : { id, status: 'pass', found };
  } catch (error) {
    return { id, status: 'fail', found: error instanceof Error ? error.message : String(error) };
  }
}

/** `scaivault selftest`: not in `--help`. */
export function selftestCommand(output: Output = processOutput()): Command {
  const command = new Command('selftest')
    .description('Try what this build carries')
    .option('--pkcs11-module <file>', 'also open this PKCS#11 library, without logging in')
    .option('--json', 'print one JSON document')
    .addOption(new Option(AS_WORKER).hideHelp())
    .addHelpText('after', HELP);
  return command.action(async ({ json = false, pkcs11Module, asClusterWorker = false }: Options) => {
    if (asClusterWorker) return actAsClusterWorker();
    const startedMs = output.nowMs();
    const checks = [
      await attempt('migrations', migrations),
      await attempt('embedded_database', embeddedDatabase),
      await attempt('pkcs11', () => pkcs11(pkcs11Module)),
      await attempt('worker_thread', workerThread),
      await attempt('cluster', clusterProcesses),
    ];
    const exitCode = checks.some(({ status }) => status === 'fail') ? EXIT.FAILED : EXIT.DONE;
    if (json) {
      const envelope = jsonEnvelope({ command: 'selftest', startedMs, endedMs: output.nowMs(), exitCode });
      output.out(jsonLine({ ...envelope, checks }));
    } else {
      output.out(checks.map(({ id, status, found }) => `${status}  ${id.padEnd(18)} ${found}\n`).join(''));
    }
    output.exit(exitCode);
  });
}
