import { type AuditService, createAuditService, systemDraft } from '../../src/audit/service.ts';
import type { AuditDraft } from '../../src/contract/audit.ts';
import type { TenantId } from '../../src/contract/names.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { newId, ulid } from '../../src/lib/ids.ts';
import { VERSION } from '../../src/lib/version.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { withSession } from '../migrate/fixtures.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

export const clock = systemClock();
export const TENANT = 'tnt_a' as TenantId;

/** A change that leaves a row of its own, under the id of its audit entry. */
export const MAKE_CHANGE = statement('test.change', 'INSERT INTO changes (id) VALUES ($1)');

export async function migrated(server?: string): Promise<TestDatabase> {
  const database = await createDatabase(server);
  await withSession(database.url, async (session) => {
    await migrate(session, migrationsDirectory(), VERSION);
    await session.script('CREATE TABLE changes (id text PRIMARY KEY)');
  });
  return database;
}

export function open(url: string, poolMax = 8, statementTimeoutMs = 5_000): Promise<Database> {
  return openDatabase({ url, poolMax, statementTimeoutMs });
}

export function service(db: Database, writeLanes = 2): AuditService {
  return createAuditService({ db, clock, instanceId: `test-${ulid()}`, writeLanes });
}

/** The draft of a read, as the pipeline makes one. */
export function draft(over: Partial<AuditDraft> = {}): AuditDraft {
  return {
    ...systemDraft(clock, { action: 'read', tenantId: TENANT }),
    secretPath: 'app/db',
    identityType: 'user',
    identityId: 'user:usr_alice',
    sourceIp: '192.0.2.1',
    userAgent: 'test/1',
    requestId: newId('req'),
    ...over,
  };
}

/** Changes something and records it; resolves when both are durable. */
export async function change(audit: AuditService, entry = draft({ action: 'write' })): Promise<string> {
  await audit.commit(entry, async (tx) => {
    await tx.query(MAKE_CHANGE, [entry.id]);
    return { value: null };
  });
  return entry.id;
}

export async function read(audit: AuditService, entry = draft()): Promise<string> {
  await audit.record(entry, { success: true });
  return entry.id;
}
