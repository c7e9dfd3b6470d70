import type { AuditService } from '../audit/service.ts';
import type { AuditFacts } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Committed } from '../contract/route.ts';
import type { Transaction } from '../postgres/database.ts';
import { raiseEpoch, type TenantSize } from './repository.ts';
import { type Asking, TENANT_LIMITS } from './types.ts';

/**
 * A change of a tenant's policies with its epoch and its audit entry, in one transaction.
 * @param look reads what the change is made against. Its statements are sent together with the one that takes the
 *   tenant's row, and run after it: until the transaction ends nobody else changes what they have seen.
 */
export type ChangeTenant = <Seen, Value>(
  asking: Asking,
  look: (tx: Transaction) => Promise<Seen>,
  work: (tx: Transaction, seen: Seen, epochs: Epochs) => Promise<{ readonly value: Value; readonly facts: AuditFacts }>,
) => Promise<Committed<Value>>;

/** @param forget what this process knows of a tenant: it asks the database before it judges the next request */
export function changeTenantWith(
  audit: Pick<AuditService, 'commit'>,
  forget: (tenantId: Tenant['tenantId']) => void,
): ChangeTenant {
  return async (asking, look, work) => {
    const { tenantId } = asking.tenant;
    try {
      return await audit.commit(asking.draft, async (tx) => {
        const [epochs, seen] = await Promise.all([raiseEpoch(tx, tenantId), look(tx)]);
        if (epochs === null) throw new ApiError('tenant_access_denied');
        return work(tx, seen, epochs);
      });
    } finally {
      // Also when the outcome is unknown.
      forget(tenantId);
    }
  };
}

const NAMES = {
  policies: 'policies',
  rules: 'rules',
  bindings: 'bindings',
  ranges: 'address ranges and time windows in its rules',
} as const;

/** @throws ApiError `invalid_policy` when a tenant would have more of something than it may */
export function refuseAboveLimits(size: TenantSize, added: Partial<Record<keyof typeof TENANT_LIMITS, number>>): void {
  for (const what of ['policies', 'rules', 'bindings', 'ranges'] as const) {
    const more = added[what] ?? 0;
    if (more <= 0 || size[what] + more <= TENANT_LIMITS[what]) continue;
    throw new ApiError('invalid_policy', {
      message: `The tenant has ${size[what]} ${NAMES[what]}; ${TENANT_LIMITS[what]} are the most. Use globs, or bind groups.`,
    });
  }
}
