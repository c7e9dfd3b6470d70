import { LRUCache } from 'lru-cache';
import { type AuditService, systemDraft } from '../audit/service.ts';
import type { AuditDraft } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { PartnerId, TenantId } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Committed } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import { denyTenant } from './refusals.ts';
import { countTenantsLocked, insertTenant, partnerOf } from './repository.ts';

const MAX_KNOWN = 10_000;
const MAX_UNKNOWN = 10_000;
// A tenant that was just made elsewhere is seen here after at most this long.
const UNKNOWN_FOR_MS = 1_000;
// When no more may be made, one transaction a second finds out whether that is still so.
const FULL_FOR_MS = 1_000;

export interface TenantsOptions {
  readonly db: Database;
  readonly audit: AuditService;
  readonly clock: Clock;
}

export interface CreatedTenant extends Tenant {
  readonly created: boolean;
}

/** The tenants that the database knows. */
export interface Tenants {
  /** @returns null when there is no such tenant. */
  find(tenantId: TenantId): Promise<Tenant | null>;
  /**
   * Makes a tenant, and its partner where that is missing too. It is there already: nothing changes.
   * @throws ApiError `name_taken` when it belongs to another partner: tenants are never moved.
   */
  create(draft: AuditDraft, tenantId: TenantId, partnerId: PartnerId): Promise<Committed<CreatedTenant>>;
  /** Makes the tenant that a token names, unless there are `max` tenants. @throws ApiError `tenant_access_denied` */
  createForToken(tenantId: TenantId, partnerId: PartnerId, max: number): Promise<Tenant>;
  /** Sees to it that a tenant of the configuration is there. @throws TenantElsewhere */
  declare(tenant: Tenant): Promise<void>;
}

/** The configuration names a tenant under another partner than the one it belongs to. */
export class TenantElsewhere extends Error {
  override readonly name = 'TenantElsewhere';
}

/** Signals that somebody else was faster, so that the transaction leaves neither tenant nor audit entry. */
class AlreadyThere extends Error {}

export function createTenants({ db, audit, clock }: TenantsOptions): Tenants {
  // A tenant's partner never changes, so what is known stays true.
  const known = new LRUCache<TenantId, Tenant>({ max: MAX_KNOWN });
  const unknownUntil = new LRUCache<TenantId, number>({ max: MAX_UNKNOWN });

  let fullSince = Number.NEGATIVE_INFINITY;

  const remember = (tenant: Tenant): Tenant => {
    unknownUntil.delete(tenant.tenantId);
    known.set(tenant.tenantId, tenant);
    return tenant;
  };

  const load = async (tenantId: TenantId): Promise<Tenant | null> => {
    const partnerId = await partnerOf(db, tenantId);
    if (partnerId !== null) return remember({ tenantId, partnerId });
    unknownUntil.set(tenantId, clock.nowMs() + UNKNOWN_FOR_MS);
    return null;
  };

  const find = async (tenantId: TenantId): Promise<Tenant | null> => {
    const cached = known.get(tenantId);
    if (cached !== undefined) return cached;
    const until = unknownUntil.get(tenantId) ?? 0;
    const now = clock.nowMs();
    if (now < until && until - now <= UNKNOWN_FOR_MS) return null;
    return load(tenantId);
  };

  const create: Tenants['create'] = async (draft, tenantId, partnerId) => {
    const committed = await audit.commit(draft, async (tx) => {
      const created = await insertTenant(tx, tenantId, partnerId);
      if (!created && (await partnerOf(tx, tenantId)) !== partnerId) {
        throw new ApiError('name_taken', {
          message: 'The tenant belongs to another partner, and tenants are not moved.',
        });
      }
      return {
        value: { tenantId, partnerId, created },
        facts: { resource: `tenants/${tenantId}`, extra: { created, partner_id: partnerId } },
      };
    });
    remember({ tenantId, partnerId });
    return committed;
  };

  const createForToken: Tenants['createForToken'] = async (tenantId, partnerId, max) => {
    const now = clock.nowMs();
    if (now >= fullSince && now - fullSince < FULL_FOR_MS) throw noRoom();
    const draft = createdDraft(clock, { tenantId, partnerId }, 'token');
    try {
      await audit.commit(draft, async (tx) => {
        const count = await countTenantsLocked(tx);
        // Looked at under the lock: the one before us may have made it.
        if ((await partnerOf(tx, tenantId)) !== null) throw new AlreadyThere();
        if (count >= max) {
          fullSince = clock.nowMs();
          throw noRoom();
        }
        await insertTenant(tx, tenantId, partnerId);
        return { value: null };
      });
      return remember({ tenantId, partnerId });
    } catch (error) {
      if (!(error instanceof AlreadyThere)) throw error;
      const tenant = await load(tenantId);
      if (tenant === null) throw new Error('a tenant that was there is gone', { cause: error });
      return tenant;
    }
  };

  const declare: Tenants['declare'] = async (tenant) => {
    const found = await find(tenant.tenantId);
    if (found === null) await create(createdDraft(clock, tenant, 'configuration'), tenant.tenantId, tenant.partnerId);
    else if (found.partnerId !== tenant.partnerId) {
      throw new TenantElsewhere(
        `DEFAULT_TENANT_ID ${tenant.tenantId} belongs to partner ${found.partnerId}, not to DEFAULT_PARTNER_ID ` +
          `${tenant.partnerId}: a tenant is never moved`,
      );
    }
  };

  return { find, create, createForToken, declare };
}

function createdDraft(clock: Clock, { tenantId, partnerId }: Tenant, by: string): AuditDraft {
  return systemDraft(clock, {
    action: 'tenant_created',
    tenantId,
    partnerId,
    resource: `tenants/${tenantId}`,
    extra: { by },
  });
}

function noRoom(): ApiError {
  return denyTenant('The token names a tenant that does not exist here.', 'TENANT_AUTOCREATE_MAX is reached');
}
