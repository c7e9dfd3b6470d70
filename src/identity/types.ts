import type { CryptoKey, JWTHeaderParameters } from 'jose';
import type { IdentityId, PartnerId, TenantId } from '../contract/names.ts';
import type { Role, SubjectKind } from '../contract/principal.ts';
import type { Scope } from '../contract/scopes.ts';

/** Names of members to walk into the claims, from the outermost: a JSON pointer (RFC 6901), taken apart. */
export type ClaimPath = readonly string[];

/** Where claims stand, for identity providers that name things differently (`SCAIKEY_CLAIM_*`). */
export interface ClaimPaths {
  readonly tenant: ClaimPath;
  readonly partner: ClaimPath;
  readonly groups: ClaimPath;
  /** All of these together. */
  readonly roles: readonly ClaimPath[];
  readonly scope: ClaimPath;
  readonly email: ClaimPath;
  readonly mfa: ClaimPath;
}

/** Which `aud` a token must carry. `any`: the operator accepts the risk by name (`SCAIKEY_AUDIENCE=*`). */
export type AudienceRule = readonly string[] | 'any' | 'unset';

/** Who becomes the first super_admin (`BOOTSTRAP_SUPER_ADMIN`, `BOOTSTRAP_SUPER_ADMIN_TENANT`). */
export interface FirstSuperAdminRule {
  readonly kind: 'email' | 'sub';
  /** An e-mail address is ASCII in lower case. */
  readonly value: string;
  readonly tenantId: TenantId | null;
}

/** What this room needs of the configuration. */
export interface IdentityConfig {
  /** `SCAIKEY_URL`, compared byte for byte with `iss`. */
  readonly issuer: string;
  readonly audience: AudienceRule;
  readonly trustRoleClaims: boolean;
  readonly claims: ClaimPaths;
  /** Scopes of a provider that cannot mint ours: its name -> ours. */
  readonly scopeMap: Readonly<Record<string, readonly Scope[]>>;
  /** For a token without a scope claim. */
  readonly defaultScopes: readonly Scope[];
  /** The home of a token without a tenant claim; needs {@link defaultPartnerId}. */
  readonly defaultTenantId: TenantId | null;
  readonly defaultPartnerId: PartnerId | null;
  /** `TENANT_AUTOCREATE_MAX`, or null where tokens create no tenants. */
  readonly autocreateMax: number | null;
  readonly firstSuperAdmin: FirstSuperAdminRule | null;
}

/** Where a token comes from: the platform's issuer, or the issuer of one tenant (`{issuer}/tenants/T`). */
export interface AcceptedIssuer {
  readonly issuer: string;
  readonly tenantId: TenantId | null;
}

/** A key that belongs to exactly one issuer. */
export interface IssuerKey {
  readonly key: CryptoKey;
  /** Whether the issuer is ScaiKey itself, whose role claims are believed. */
  readonly scaiKey: boolean;
}

/** Keys to verify tokens with, an own set for each issuer: a key never verifies the token of another one. */
export interface KeySource {
  /**
   * The one key that fits a token's `alg` and `kid`, or null when the issuer has none.
   * @throws ApiError `service_unavailable` when that cannot be known at the moment.
   */
  find(issuer: string, header: JWTHeaderParameters): Promise<IssuerKey | null>;
  close(): Promise<void>;
}

/** Claims as the token gives them: of any type, until somebody has looked. */
export type Claims = Readonly<Record<string, unknown>>;

/** A token whose signature, times and audience are right. */
export interface VerifiedToken {
  readonly issuer: AcceptedIssuer;
  /** Whether ScaiKey itself signed it. */
  readonly scaiKey: boolean;
  readonly claims: Claims;
  /** Seconds since the epoch. */
  readonly exp: number;
}

/** The holder of a verified token, before its tenant is looked up. */
export interface TokenHolder {
  readonly issuer: AcceptedIssuer;
  readonly kind: Exclude<SubjectKind, 'group'>;
  /** `sub` of a user, client id of a service account. */
  readonly subjectId: string;
  readonly sub: string;
  /** For people: `user:alice@example.com`, `sa:backup`. A display alias; rights hang on the subject. */
  readonly identityId: IdentityId;
  readonly displayName: string;
  /** As claimed for a user, in its one spelling ({@link emailVerified} says what it is worth). */
  readonly email: string | null;
  /** What the provider says of the address; null: nothing. */
  readonly emailVerified: boolean | null;
  /** As claimed; not looked up, not even well-formed. */
  readonly tenantClaim: string | null;
  readonly partnerClaim: string | null;
  readonly scopes: ReadonlySet<Scope>;
  readonly groups: readonly string[];
  readonly claimedRoles: ReadonlySet<Role>;
  /** Milliseconds since the epoch. */
  readonly mfaVerifiedAt: number | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The acting party, when the token has an `act` claim. */
  readonly onBehalfOf: string | null;
}

/** The tenant that a request names beside its token: path prefix and `X-Tenant-ID`. */
export interface WantedTenant {
  readonly prefix: string | null;
  readonly header: string | null;
}
