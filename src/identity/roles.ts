import { LRUCache } from 'lru-cache';
import { type AuditService, systemDraft } from '../audit/service.ts';
import type { Principal, Role, Subject, Tenant } from '../contract/principal.ts';
import { subjectKey } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import { claimFirstSuperAdmin, insertGrant, type LocalRoles, localRoles } from './repository.ts';

const MAX_CACHED = 10_000;
const CACHED_FOR_MS = 1_000;
const NONE: ReadonlySet<Role> = new Set();

export interface RolesOptions {
  readonly db: Database;
  readonly audit: AuditService;
  readonly clock: Clock;
}

export interface Roles {
  /** The roles of a caller, wherever they reach: claimed or granted, and not revoked. */
  held(principal: Principal): Promise<ReadonlySet<Role>>;
  /** Those of them that count in a tenant. */
  effective(principal: Principal, tenant: Tenant): Promise<ReadonlySet<Role>>;
  /** Grants a role and audits it as `role_change`. The subject holds it already: nothing is done or written. */
  grant(subject: Subject, role: Role, by: string): Promise<void>;
  forget(subject: Subject): void;
}

interface Cached {
  readonly roles: Promise<LocalRoles>;
  readonly loadedAt: number;
}

class AlreadyHeld extends Error {}

/**
 * Effective role = token claim and local grant, minus local revocation, which beats both (spec 12, "Roles"). A role
 * taken away stops counting after at most a second.
 */
export function createRoles({ db, audit, clock }: RolesOptions): Roles {
  const cache = new LRUCache<string, Cached>({ max: MAX_CACHED });

  const local = (subject: Subject): Promise<LocalRoles> => {
    const key = subjectKey(subject);
    const now = clock.nowMs();
    const cached = cache.get(key);
    if (cached !== undefined && now >= cached.loadedAt && now - cached.loadedAt < CACHED_FOR_MS) return cached.roles;
    const entry = { roles: localRoles(db, subject), loadedAt: now };
    cache.set(key, entry);
    entry.roles.catch(() => {
      if (cache.peek(key) === entry) cache.delete(key);
    });
    return entry.roles;
  };

  const held = async (principal: Principal): Promise<ReadonlySet<Role>> => {
    // Somebody who acts for another exercises none of the other's roles.
    if (principal.onBehalfOf !== null) return NONE;
    const { granted, revoked } = await local(principal.subject);
    return new Set([...principal.claimedRoles, ...granted].filter((role) => !revoked.has(role)));
  };

  return {
    held,
    effective: async (principal, tenant) =>
      new Set([...(await held(principal))].filter((role) => reaches(role, principal, tenant))),
    grant: async (subject, role, by) => {
      const draft = systemDraft(clock, {
        action: 'role_change',
        tenantId: subject.tenantId,
        resource: `roles/${role}`,
        extra: { role, effect: 'grant', by, iss: subject.issuer, sub: subject.id, kind: subject.kind },
      });
      await audit
        .commit(draft, async (tx) => {
          if (!(await insertGrant(tx, subject, role, by))) throw new AlreadyHeld();
          // However it came about: from now on there has been one.
          if (role === 'super_admin') await claimFirstSuperAdmin(tx, subject);
          return { value: null };
        })
        .catch((error: unknown) => {
          if (!(error instanceof AlreadyHeld)) throw error;
        });
      cache.delete(subjectKey(subject));
    },
    forget: (subject) => void cache.delete(subjectKey(subject)),
  };
}

function reaches(role: Role, principal: Principal, tenant: Tenant): boolean {
  switch (role) {
    case 'super_admin':
      return true;
    case 'partner_admin':
      return tenant.partnerId === principal.partnerId;
    case 'tenant_admin':
    case 'auditor':
      return tenant.tenantId === principal.tenantId;
  }
}
