import type { AuditService } from '../audit/service.ts';
import type { PolicyId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { Principal, Tenant } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import { type Access, PolicyAccess, PolicySets } from './access.ts';
import { createPolicyBinding, type PolicyBinding } from './bindings/binding.ts';
import { policyOf, toDocument } from './documents.ts';
import { createPolicyEditing, type PolicyEditing } from './editing.ts';
import { createPolicyListing, type PolicyListing } from './lists/listing.ts';
import { findPolicy } from './repository.ts';
import { changeTenantWith } from './tenant-change.ts';
import { sameEpochs } from './tenant-state.ts';
import { TenantStates } from './tenant-states.ts';
import type { Asking, IdentityDirectory, PolicyDocument } from './types.ts';

export type { Access } from './access.ts';
export type { Decision } from './evaluate.ts';
export type { Asking, IdentityDirectory } from './types.ts';

export interface PolicyService extends PolicyEditing, PolicyBinding {
  /**
   * What the caller may do in a tenant, by policies of at most a second ago.
   * @param sourceIp where the request comes from, as `canonicalIp` gives it; null: unknown
   * @throws ApiError `tenant_access_denied` when there is no such tenant; DatabaseUnavailable
   */
  access(principal: Principal, tenant: Tenant, sourceIp: string | null): Promise<Access>;
  /** The same access when it was found out under these epochs, else a new one that is no older than they are. */
  reconfirm(principal: Principal, tenant: Tenant, access: Access, epochs: Epochs): Promise<Access>;
  /** @throws ApiError `policy_not_found` */
  read(asking: Asking, id: PolicyId): Promise<PolicyDocument>;
  readonly lists: PolicyListing;
}

export interface PolicyServiceOptions {
  readonly db: Database;
  readonly audit: Pick<AuditService, 'commit'>;
  readonly clock: Clock;
  readonly identities: IdentityDirectory;
  /** Whether requests have come whose source address is unknown (spec 12, "Source address"). */
  readonly addressesHidden: () => boolean;
}

export function createPolicyService(options: PolicyServiceOptions): PolicyService {
  const { db, audit, clock, identities, addressesHidden } = options;
  const states = new TenantStates(db, clock);
  const sets = new PolicySets();
  const changeTenant = changeTenantWith(audit, (tenantId) => states.forget(tenantId));
  return {
    access: async (principal, tenant, sourceIp) =>
      new PolicyAccess(await states.get(tenant.tenantId), { principal, tenant, sourceIp }, sets, clock),
    reconfirm: async (principal, tenant, access, epochs) => {
      if (sameEpochs(access.epochs, epochs)) return access;
      const state = await states.since(tenant.tenantId, epochs);
      return new PolicyAccess(state, { principal, tenant, sourceIp: access.sourceIp }, sets, clock);
    },
    read: async (asking, id) => {
      const found = await findPolicy(db, asking.tenant.tenantId, id);
      if (found !== null) await asking.standing.confirm(found.epochs);
      return toDocument(policyOf(found));
    },
    lists: createPolicyListing(db),
    ...createPolicyEditing(changeTenant, clock, addressesHidden),
    ...createPolicyBinding(changeTenant, clock, identities),
  };
}
