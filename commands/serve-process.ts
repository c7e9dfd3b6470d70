import { hostname } from 'node:os';
import type { ConfigFor } from '../src/config/load.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import { ulid } from '../src/lib/ids.ts';
import { within } from '../src/lib/time-limit.ts';
import { onStopOrder, sayReady } from './stop-orders.ts';

export interface ServeOptions {
  readonly dev?: boolean;
  readonly data: string;
  readonly ephemeral?: boolean;
}

const LAST_FLUSH_MS = 1_000;
const LINGER_MS = 500;

/** What runs, seen from the process: it can be stopped, and made to store what is waiting. */
export interface Running {
  stop(reason: string): Promise<void>;
  flush(): Promise<void>;
}

type Start = () => Promise<Running>;
type ProcessLog = Awaited<ReturnType<typeof openLog>>;

/** The log of this process, with its instance id in every line. */
export async function openLog(config: ConfigFor<'serve' | 'dev'>, format: 'json' | 'text') {
  const { createLog, errorFields } = await import('../src/telemetry/log.ts');
  const instanceId = `${hostname()}-${ulid()}`;
  const log = createLog({ level: config.LOG_LEVEL, format, instanceId });
  for (const warning of config.warnings) log.warn({}, warning);
  return { log, instanceId, errorFields };
}

async function flushBriefly(running: Running | null): Promise<void> {
  await within(LAST_FLUSH_MS, running?.flush().catch(() => {}) ?? Promise.resolve(), () => {});
}

/** An unhandled error ends the process after a flush: never a half-alive server. */
function dieOnDefects({ log, errorFields }: ProcessLog, running: () => Running | null): void {
  const die = (thrown: unknown) => {
    log.error(errorFields(thrown), 'unhandled error; ending');
    void flushBriefly(running()).finally(() => process.exit(EXIT.FAILED));
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}

/** Runs until a signal; resolves when everything is stopped. A second signal ends at once, after a flush. */
export async function runUntilSignal(opened: ProcessLog, start: Start): Promise<void> {
  const { log } = opened;
  let running: Running | null = null;
  let stopping: Promise<void> | null = null;
  const { promise: stopped, resolve, reject } = Promise.withResolvers<void>();
  dieOnDefects(opened, () => running);

  const onSignal = (signal: NodeJS.Signals) => {
    if (running === null) {
      // Nothing was promised to anybody yet.
      log.info({ signal }, 'stopped before it was ready');
      process.exit(EXIT.DONE);
    }
    if (stopping !== null) {
      log.warn({ signal }, 'a second signal: ending at once');
      void flushBriefly(running).finally(() => process.exit(EXIT.FAILED));
      return;
    }
    log.info({ signal }, 'stopping');
    stopping = running.stop(signal);
    stopping.then(resolve, reject);
  };
  const listenNoMore = onStopOrder(onSignal);
  try {
    running = await start();
    sayReady();
    await stopped;
    log.info({}, 'stopped');
    // A connection that hangs in spite of it all holds the process no longer.
    setTimeout(() => process.exit(), LINGER_MS).unref();
  } finally {
    listenNoMore();
  }
}
