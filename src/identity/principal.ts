import type { Principal, Subject, Tenant } from '../contract/principal.ts';
import { identityKey } from './identity-key.ts';
import type { TokenHolder } from './types.ts';

/** The caller, once its home tenant is known. @param platformIssuer `SCAIKEY_URL` */
export function toPrincipal(holder: TokenHolder, home: Tenant, platformIssuer: string): Principal {
  const subject: Subject = {
    kind: holder.kind,
    issuer: holder.issuer.issuer,
    tenantId: home.tenantId,
    id: holder.subjectId,
  };
  const email = holder.emailVerified === false ? null : holder.email;
  return {
    subject,
    identityId: holder.identityId,
    displayName: holder.displayName,
    email,
    emailVerified: email !== null && holder.emailVerified === true,
    tenantId: home.tenantId,
    partnerId: home.partnerId,
    scopes: holder.scopes,
    groups: holder.groups,
    claimedRoles: holder.claimedRoles,
    mfaVerifiedAt: holder.mfaVerifiedAt,
    expiresAt: holder.expiresAt,
    onBehalfOf: holder.onBehalfOf,
    key: identityKey(subject, platformIssuer),
  };
}
