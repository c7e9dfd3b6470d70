import { type AuditService, systemDraft } from '../audit/service.ts';
import type { Principal } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import type { Log } from '../telemetry/log.ts';
import { claimFirstSuperAdmin, hadSuperAdmin, insertGrant } from './repository.ts';
import { isAscii } from './subject-claims.ts';
import type { FirstSuperAdminRule, TokenHolder } from './types.ts';

export interface FirstSuperAdminOptions {
  readonly db: Database;
  readonly audit: AuditService;
  readonly clock: Clock;
  readonly log: Log;
  readonly rule: FirstSuperAdminRule | null;
}

export interface FirstSuperAdmin {
  /** Promotes the caller when it is the one. @returns whether it did. Once it is decided, this costs nothing. */
  consider(holder: TokenHolder, principal: Principal, requestId: string | null): Promise<boolean>;
}

class TooLate extends Error {}

/**
 * The first super_admin, once in the life of the database (spec 12, "The first super admin"): the row of
 * `first_super_admin` is written with the grant and never removed, so that no later change of the variable, and no
 * later owner of the address, does anything.
 */
export function createFirstSuperAdmin({ db, audit, clock, log, rule }: FirstSuperAdminOptions): FirstSuperAdmin {
  let open = rule !== null;
  let warned = false;

  const promote = async (principal: Principal, requestId: string | null): Promise<boolean> => {
    const { subject } = principal;
    const draft = systemDraft(clock, {
      action: 'role_change',
      tenantId: principal.tenantId,
      partnerId: principal.partnerId,
      resource: 'roles/super_admin',
      identityType: 'user',
      identityId: principal.identityId,
      extra: {
        role: 'super_admin',
        effect: 'grant',
        by: 'BOOTSTRAP_SUPER_ADMIN',
        iss: subject.issuer,
        sub: subject.id,
      },
    });
    try {
      await audit.commit(draft, async (tx) => {
        if (!(await claimFirstSuperAdmin(tx, subject))) throw new TooLate();
        await insertGrant(tx, subject, 'super_admin', 'BOOTSTRAP_SUPER_ADMIN');
        return { value: null };
      });
    } catch (error) {
      if (error instanceof TooLate) return false;
      throw error;
    }
    const { tenantId: tenant_id, identityId: identity_id } = principal;
    log.info({ request_id: requestId, tenant_id, identity_id }, 'the first super_admin was made');
    return true;
  };

  return {
    consider: async (holder, principal, requestId) => {
      if (!open || rule === null || !isMeant(holder, rule)) return false;
      const obstacle = obstacleFor(holder, principal, rule);
      if (obstacle !== null) {
        const fields = { request_id: requestId, reason: obstacle };
        if (!warned) log.warn(fields, 'BOOTSTRAP_SUPER_ADMIN fits a token, but nobody was promoted');
        warned = true;
        return false;
      }
      const promoted = !(await hadSuperAdmin(db)) && (await promote(principal, requestId));
      open = false;
      return promoted;
    },
  };
}

/** Whether the token at all looks like the one that the variable names; all others pass without a word. */
function isMeant(holder: TokenHolder, rule: FirstSuperAdminRule): boolean {
  return rule.kind === 'sub' ? holder.sub === rule.value : holder.email === rule.value;
}

/** Why the one who looks meant is not promoted, or null. */
function obstacleFor(holder: TokenHolder, principal: Principal, rule: FirstSuperAdminRule): string | null {
  if (holder.kind !== 'user') return "the token is a service account's";
  if (holder.onBehalfOf !== null) return 'somebody acts for the user ("act")';
  if (rule.tenantId !== null && principal.tenantId !== rule.tenantId) {
    return 'the user belongs to another tenant than BOOTSTRAP_SUPER_ADMIN_TENANT';
  }
  if (holder.issuer.tenantId !== null && rule.tenantId === null) {
    return 'the token is from the issuer of a tenant, and BOOTSTRAP_SUPER_ADMIN_TENANT is not set';
  }
  if (rule.kind === 'email' && holder.emailVerified !== true)
    return 'the identity provider does not say "email_verified": true';
  if (rule.kind === 'email' && !isAscii(rule.value)) return 'the address is not ASCII';
  return null;
}
