import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { withClient } from '../migrate/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { verifyChains } from './verifier.ts';

/** Starts a writer, kills it in the middle of its work, and returns what it had acknowledged. */
async function killOne(url: string, afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const closed = once(child, 'close');
  while (said === '' && child.exitCode === null) await sleep(5);
  await sleep(afterMs);
  child.kill('SIGKILL');
  await closed;
  return said.split('\n').slice(0, -1);
}

/** Kills so many processes that write to the audit log, at random moments, and proves what they left. */
export async function killWriters(database: TestDatabase, rounds: number): Promise<void> {
  const acknowledged: string[] = [];
  let left = rounds;
  const lane = async () => {
    while (left-- > 0) acknowledged.push(...(await killOne(database.url, Math.random() * 250)));
  };
  await Promise.all([lane(), lane()]);
  // What the server has received of the dead it still does.
  await withClient(database.url, async (client) => {
    const others = `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
    while ((await client.query(others)).rows[0].n > 0) await sleep(20);
  });
  const proof = await verifyChains(database.url);
  assert.equal(proof.problems, []);
  const stored = new Set(proof.ids);
  assert.is(stored.size, proof.ids.length);
  const changes = await withClient(
    database.url,
    async (client) => new Set((await client.query('SELECT id FROM changes')).rows.map(({ id }) => id as string)),
  );
  for (const line of acknowledged) {
    const [kind, id = ''] = line.split(' ');
    assert.ok(stored.has(id), 'acknowledged is stored');
    if (kind === 'c') assert.ok(changes.has(id));
  }
  for (const id of changes) assert.ok(stored.has(id), 'no change without its entry');
  assert.ok(acknowledged.length >= rounds);
  // Every process has chains of its own.
  assert.ok(proof.chains >= rounds);
}
