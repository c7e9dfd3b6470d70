import { hash } from 'node:crypto';
import type { IdentityId, PartnerId, TenantId } from './names.ts';
import type { Scope } from './scopes.ts';

/** From the weakest to the strongest; a stronger role includes what a weaker one may do, in its own reach. */
export const ROLES = ['auditor', 'tenant_admin', 'partner_admin', 'super_admin'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(text: unknown): text is Role {
  return ROLES.some((role) => role === text);
}

/** Whether one of `held` is `needed` or stronger. */
export function holdsRole(held: ReadonlySet<Role>, needed: Role): boolean {
  const from = ROLES.indexOf(needed);
  return ROLES.some((role, rank) => rank >= from && held.has(role));
}

export type SubjectKind = 'user' | 'service_account' | 'group';

/**
 * Who somebody is, for good: what bindings and roles hang on (spec 12, "Bindings hold immutable subjects"). E-mail
 * addresses and names change hands; issuer, home tenant and `sub` (or client id, or group id) do not.
 */
export interface Subject {
  readonly kind: SubjectKind;
  readonly issuer: string;
  readonly tenantId: TenantId;
  readonly id: string;
}

// A request asks several times, about a subject that is the same object for the life of its token.
const subjectKeys = new WeakMap<Subject, string>();

/** A text that two subjects share only when they are the same one (fields are length-prefixed). */
export function subjectKey(subject: Subject): string {
  const known = subjectKeys.get(subject);
  if (known !== undefined) return known;
  const { kind, issuer, tenantId, id } = subject;
  const key = [kind, issuer, tenantId, id].map((part) => `${part.length}:${part}`).join('');
  subjectKeys.set(subject, key);
  return key;
}

/**
 * SHA-256 of a {@link subjectKey}, for where a subject's own text must not stand: it comes from a token, so it may hold
 * anything, be long, or be an address. UTF-16 keeps lone surrogates apart, which UTF-8 would all turn into one character.
 */
export function subjectDigest(key: string): Buffer {
  return hash('sha256', Buffer.from(key, 'utf16le'), 'buffer');
}

/** The caller, as its verified token says. What it may do is decided per tenant, later in the pipeline. */
export interface Principal {
  readonly subject: Subject;
  /** For people: `user:alice@example.com`, `sa:backup`. */
  readonly identityId: IdentityId;
  readonly displayName: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** The home tenant and its partner. */
  readonly tenantId: TenantId;
  readonly partnerId: PartnerId;
  readonly scopes: ReadonlySet<Scope>;
  /** Ids or names as the token gives them; they count in the home tenant only. */
  readonly groups: readonly string[];
  /** Roles that the token claims and that this installation believes (spec 12, "Issuers, audience, role claims"). */
  readonly claimedRoles: ReadonlySet<Role>;
  /** Milliseconds since the epoch. */
  readonly mfaVerifiedAt: number | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Who acts for the subject (`act`), for the audit log. Such a token never exercises a role. */
  readonly onBehalfOf: string | null;
  /** What `{{identity.key}}` expands to: always one legal path segment. */
  readonly key: string;
}

/** The tenant that a request works in; not always the caller's home. */
export interface Tenant {
  readonly tenantId: TenantId;
  readonly partnerId: PartnerId;
}
