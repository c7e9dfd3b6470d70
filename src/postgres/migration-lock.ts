import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationSession } from './migration-session.ts';

const LOCK = "hashtextextended('scaivault:migrate', 0)";
const POLL_MS = 500;
const PROGRESS_EVERY_MS = 5_000;

async function waitForLock(session: MigrationSession, waiting: (seconds: number) => void): Promise<void> {
  const started = Date.now();
  let told = started;
  for (;;) {
    const [row] = await session.query(`SELECT pg_try_advisory_lock(${LOCK}) AS locked`, []);
    if (row?.locked === true) return;
    if (Date.now() - told >= PROGRESS_EVERY_MS) {
      told = Date.now();
      waiting(Math.round((told - started) / 1000));
    }
    await sleep(POLL_MS);
  }
}

/**
 * Works while no other migrator does.
 * @param waiting is told about every five seconds how long another one has been waited for
 */
export async function alone<T>(
  session: MigrationSession,
  waiting: (seconds: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  await waitForLock(session, waiting);
  try {
    return await work();
  } finally {
    // With the connection the lock is gone too; what happened before is what the caller has to hear.
    await session.query(`SELECT pg_advisory_unlock(${LOCK})`, []).catch(() => {});
  }
}
