/** The first steps of a server, each with the patience that spec 07 gives it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type EstablishedRoot, establishRootKey } from '../keys/root-key.ts';
import { KmsError, type KmsProvider } from '../kms/provider.ts';
import { discardUnpacked } from '../lib/assets.ts';
import { type Database, DatabaseUnavailable, ping } from '../postgres/database.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { OutsideWorld, ServerSettings } from './parts.ts';
import { passSchemaGate } from './schema-gate.ts';

const RETRY_MAX_MS = 5_000;

type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** One start-up log line a step, with its duration. */
export function stepLogger(log: Log): Step {
  return async (step, work) => {
    const started = performance.now();
    const result = await work();
    log.info({ step, duration_ms: Math.round(performance.now() - started) }, 'started');
    return result;
  };
}

/** Tries again with growing pauses while `error` is one that may pass. */
async function patiently<T>(
  work: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  deadlineMs: number,
  onRetry: (error: unknown, retryInMs: number) => void,
): Promise<T> {
  for (let pause = 200; ; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error) || Date.now() + pause > deadlineMs) throw error;
      onRetry(error, pause);
      await sleep(pause);
    }
  }
}

/** @throws DatabaseUnavailable after `startTimeoutMs`, DatabaseRefused at once */
export async function openDatabase(world: OutsideWorld, settings: ServerSettings, log: Log): Promise<Database> {
  const attempt = async () => {
    const db = await world.openDatabase();
    try {
      await ping(db);
      return db;
    } catch (error) {
      await db.close();
      throw error;
    }
  };
  return patiently(
    attempt,
    (error) => error instanceof DatabaseUnavailable,
    Date.now() + settings.startTimeoutMs,
    (error, retryInMs) => log.warn({ ...errorFields(error), stack: null, retry_in_ms: retryInMs }, 'no PostgreSQL yet'),
  );
}

/** @throws SchemaRefused, MigrationBlocked, MigrationAwaited */
export async function migrateSchema(
  world: OutsideWorld,
  settings: ServerSettings,
  log: Log,
): Promise<{ ahead: boolean }> {
  const session = await world.openMigrationSession();
  try {
    return await passSchemaGate(session, settings, log);
  } finally {
    discardUnpacked();
    await session.close();
  }
}

/** While the key service cannot be asked the server stays up, sealed, and heals by itself. */
export function establishPatiently(
  db: Database,
  kms: KmsProvider,
  settings: ServerSettings,
  log: Log,
): Promise<EstablishedRoot> {
  return patiently(
    () => establishRootKey(db, kms, { actor: 'serve', pinnedFingerprint: settings.rootKeyFingerprint }),
    (error) => error instanceof KmsError && (error.kind === 'unreachable' || error.kind === 'throttled'),
    Number.POSITIVE_INFINITY,
    (error, retryInMs) => log.error({ ...errorFields(error), stack: null, retry_in_ms: retryInMs }, 'no root key yet'),
  );
}
