import { ApiError, validationError } from '../contract/errors.ts';
import type { TenantId } from '../contract/names.ts';
import type { Subject, SubjectKind, Tenant } from '../contract/principal.ts';
import type { Queryable } from '../postgres/database.ts';
import { isText } from './claim-values.ts';
import { identitiesById, type KnownIdentity, usersByEmail } from './repository.ts';
import { canonicalEmail } from './subject-claims.ts';

export interface ResolvedIdentity {
  readonly subject: Subject;
  readonly displayName: string;
}

/** Prefix of the readable form, and of the identity provider's own ids where it has them. */
const FORMS: Readonly<Record<SubjectKind, { readonly prefix: string; readonly idPrefix: string | null }>> = {
  user: { prefix: 'user:', idPrefix: 'usr_' },
  service_account: { prefix: 'sa:', idPrefix: null },
  group: { prefix: 'group:', idPrefix: 'grp_' },
};

/**
 * The immutable subject behind a readable name, for bindings. An e-mail address must belong to exactly one user seen in
 * the tenant; an id form also names a subject that was never seen, which is then taken for the platform issuer's.
 *
 * @throws ApiError `validation_error` when the name does not fit the type, `identity_not_found` when it names nobody, or
 * more than one
 */
export async function resolveIdentity(
  db: Queryable,
  issuer: string,
  tenant: Tenant,
  kind: SubjectKind,
  identityId: string,
): Promise<ResolvedIdentity> {
  const name = nameIn(identityId, kind);
  if (kind === 'user' && name.includes('@')) return userByEmail(db, tenant.tenantId, name);
  const known = await identitiesById(db, tenant.tenantId, kind, name);
  const own = known.find(({ subject }) => subject.issuer === issuer);
  // The same id from the issuers of two tenants' own names two people.
  if (own === undefined && known.length > 1) throw new ApiError('identity_not_found');
  return own ?? known[0] ?? { subject: { kind, issuer, tenantId: tenant.tenantId, id: name }, displayName: identityId };
}

function nameIn(identityId: string, kind: SubjectKind): string {
  const { prefix, idPrefix } = FORMS[kind];
  const name = identityId.startsWith(prefix) ? identityId.slice(prefix.length) : identityId;
  const isBareId = name === identityId && idPrefix !== null && identityId.startsWith(idPrefix);
  if (name === identityId && !isBareId) {
    const forms = idPrefix === null ? `"${prefix}"` : `"${prefix}" or "${idPrefix}"`;
    throw validationError({ identity_id: `for identity_type ${kind} it begins with ${forms}` });
  }
  if (!isText(name)) throw validationError({ identity_id: 'must name somebody, in at most 255 characters' });
  return name;
}

async function userByEmail(db: Queryable, tenantId: TenantId, name: string): Promise<KnownIdentity> {
  const email = canonicalEmail(name);
  const [only, ...others] = email === null ? [] : await usersByEmail(db, tenantId, email);
  if (only === undefined || others.length > 0) throw new ApiError('identity_not_found');
  return only;
}
