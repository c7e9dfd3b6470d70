import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../src/contract/exit-codes.ts';
import { forkSettings } from '../src/lib/forks.ts';
import type { Log } from '../src/telemetry/log.ts';
import { relayMetrics } from '../src/telemetry/worker-metrics.ts';

const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 30_000;
/** Beyond SHUTDOWN_GRACE, for what follows it; a worker that hangs longer is killed. */
const AFTER_GRACE_MS = 10_000;

/** What this process tells a worker: to stop, as by this signal. */
export interface StopOrder {
  readonly stop: NodeJS.Signals;
}
/** What a worker tells: that it is ready. */
export interface ReadyNotice {
  readonly ready: true;
}

export interface WorkerSettings {
  readonly count: number;
  readonly shutdownGraceMs: number;
}

/**
 * Runs servers on one port, each a process with connections and caches of its own: replicas on one machine. This
 * process answers nobody. The first worker starts alone, so that a refused start is told once; one that dies later is
 * replaced.
 * @returns the exit code when all have stopped: of a first worker that could not start, else the highest of all
 */
export async function superviseWorkers({ count, shutdownGraceMs }: WorkerSettings, log: Log): Promise<number> {
  cluster.setupPrimary(forkSettings(process.argv.slice(2)));
  const stopping = new AbortController();
  const order = (signal: NodeJS.Signals) => {
    for (const worker of running()) if (worker.isConnected()) worker.send({ stop: signal } satisfies StopOrder);
    if (stopping.signal.aborted) return;
    stopping.abort();
    setTimeout(killAll, shutdownGraceMs + AFTER_GRACE_MS).unref();
  };
  process.on('SIGTERM', order);
  process.on('SIGINT', order);

  relayMetrics();

  const first = cluster.fork();
  const refused = await Promise.race([readyOf(first).then(() => null), exitOf(first)]);
  if (refused !== null) return refused;
  const lives = [
    keepAlive(first, stopping.signal, log),
    ...Array.from({ length: count - 1 }, () => keepAlive(cluster.fork(), stopping.signal, log)),
  ];
  return Math.max(...(await Promise.all(lives)));
}

/** Replaces a worker whenever it ends by itself. @returns the exit code of the last one, after the order to stop */
async function keepAlive(worker: Worker, stopping: AbortSignal, log: Log): Promise<number> {
  for (let current = worker, pauseMs = FIRST_PAUSE_MS; ; current = cluster.fork()) {
    let wasReady = current === worker;
    void readyOf(current).then(() => {
      wasReady = true;
    });
    const code = await exitOf(current);
    if (stopping.aborted) return code;
    pauseMs = wasReady ? FIRST_PAUSE_MS : Math.min(LAST_PAUSE_MS, pauseMs * 2);
    log.error({ reason: `exit code ${code}`, retry_in_ms: pauseMs }, 'a worker process ended; another one follows');
    // The order to stop ends the wait.
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted) return code;
  }
}

function readyOf(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'ready' in message) resolve();
    });
  });
}

/** One that a signal to stop has ended had not yet begun to listen for orders; any other signal is a failure. */
async function exitOf(worker: Worker): Promise<number> {
  const [code, signal] = await once(worker, 'exit');
  if (typeof code === 'number') return code;
  return signal === 'SIGTERM' || signal === 'SIGINT' ? EXIT.DONE : EXIT.FAILED;
}

function running(): readonly Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}

function killAll(): void {
  for (const worker of running()) worker.process.kill('SIGKILL');
}
