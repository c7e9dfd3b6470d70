import { type AuditService, systemDraft } from '../../audit/service.ts';
import type { AuditFacts } from '../../contract/audit.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Tenant } from '../../contract/principal.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Database, Transaction } from '../../postgres/database.ts';
import { shredSecret, shredVersions } from '../deletion/repository.ts';
import { type DueSecret, dueAt, dueSecrets, dueVersions, holdDueSecret, holdDueVersions } from './repository.ts';

export const SWEEP_EVERY_MS = 60_000;

/** Secrets a look, and versions a transaction: no statement takes long, and no row stays locked. */
const SECRETS_A_LOOK = 100;
const VERSIONS_AT_ONCE = 500;
/** A stop of the server waits for a sweep; the next one goes on. */
const LONGEST_RUN_MS = 10_000;

export interface SweepParts {
  readonly db: Database;
  readonly audit: Pick<AuditService, 'commit'>;
  readonly clock: Clock;
  readonly retentionMs: number;
}

export interface Sweep {
  /**
   * Destroys what nobody can bring back any more: versions unreadable and secrets deleted for longer than the
   * retention. Safe in several processes at once.
   * @throws the first failure, after everything else was tried
   */
  run(): Promise<void>;
  /** The same for one path, for who wants to write there. */
  purge(tenant: Tenant, path: SecretPath): Promise<void>;
}

/** Somebody else has done it, or is about to: without work there is no audit entry. */
class Nothing extends Error {}

export function createSweep({ db, audit, clock, retentionMs }: SweepParts): Sweep {
  /** @returns whether anything was done */
  async function commit(
    { tenantId, partnerId }: DueSecret,
    action: 'destroy' | 'delete',
    work: (tx: Transaction) => Promise<AuditFacts | null>,
  ): Promise<boolean> {
    try {
      await audit.commit(systemDraft(clock, { action, tenantId, partnerId }), async (tx) => {
        const facts = await work(tx);
        if (facts === null) throw new Nothing();
        return { value: null, facts };
      });
      return true;
    } catch (error) {
      if (error instanceof Nothing) return false;
      throw error;
    }
  }

  const destroyDueVersions = (due: DueSecret) =>
    commit(due, 'destroy', async (tx) => {
      const held = await holdDueVersions(tx, due, retentionMs, VERSIONS_AT_ONCE);
      const destroyed = held === null ? [] : await shredVersions(tx, due.tenantId, due.id, held.versions);
      if (held === null || destroyed.length === 0) return null;
      return { secretPath: held.path, extra: { versions_destroyed: destroyed } };
    });

  const removeDueSecret = (due: DueSecret) =>
    commit(due, 'delete', async (tx) => {
      const path = await holdDueSecret(tx, due, retentionMs);
      if (path === null) return null;
      const count = await shredSecret(tx, due.tenantId, due.id);
      return { secretPath: path, extra: { permanent: true, version_count: count } };
    });

  /** Until nothing is found, or nothing of what is found can be done. */
  async function sweep(
    find: typeof dueSecrets,
    finish: (due: DueSecret) => Promise<boolean>,
    deadline: number,
    failures: unknown[],
  ): Promise<void> {
    for (let progress = true; progress; ) {
      progress = false;
      for (const due of await find(db, retentionMs, SECRETS_A_LOOK)) {
        if (clock.nowMs() > deadline) return;
        try {
          progress = (await finish(due)) || progress;
        } catch (error) {
          // One that cannot be destroyed must not keep the others alive.
          failures.push(error);
        }
      }
    }
  }

  return {
    async run() {
      const deadline = clock.nowMs() + LONGEST_RUN_MS;
      const failures: unknown[] = [];
      await sweep(dueSecrets, removeDueSecret, deadline, failures);
      await sweep(dueVersions, destroyDueVersions, deadline, failures);
      if (failures.length > 0) throw failures[0];
    },
    async purge({ tenantId, partnerId }, path) {
      const id = await dueAt(db, tenantId, path, retentionMs);
      if (id !== null) await removeDueSecret({ tenantId, partnerId, id });
    },
  };
}
