import type { AuditService } from '../../audit/service.ts';
import type { AuditFacts } from '../../contract/audit.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Committed } from '../../contract/route.ts';
import type { Transaction } from '../../postgres/database.ts';
import { type ChangeAsking, requireStanding, untilFresh } from '../asking.ts';
import type { SecretState } from '../types.ts';
import { lockAndLook } from './repository.ts';

export type ChangeOfSecret = <T>(
  asking: ChangeAsking,
  path: SecretPath,
  work: (tx: Transaction, secret: SecretState | null) => Promise<{ readonly value: T; readonly facts?: AuditFacts }>,
  /** Done before each try of the transaction: what reads the database. */
  before?: () => Promise<void>,
) => Promise<Committed<T>>;

/**
 * Makes a function that changes something about a secret that is there already: with its row locked, so that whoever
 * else changes it waits, and by policies that the transaction has confirmed.
 */
export function changeOfSecret(audit: Pick<AuditService, 'commit'>, retentionMs: number): ChangeOfSecret {
  return (asking, path, work, before = async () => {}) =>
    untilFresh(async () => {
      await before();
      return audit.commit(asking.draft, async (tx) => {
        const { epochs, secret } = await lockAndLook(tx, asking.tenant.tenantId, path, retentionMs);
        requireStanding(asking, epochs);
        return work(tx, secret);
      });
    });
}
