import { type PartnerId, parsePartnerId, type TenantId } from '../contract/names.ts';
import { isRole, type Role, type Subject } from '../contract/principal.ts';
import { type Queryable, statement, type Transaction } from '../postgres/database.ts';

// -------------------------------------------------------------------------------------------- tenants and partners

const TENANT_PARTNER = statement('identity.tenant_partner', 'SELECT partner_id FROM tenants WHERE tenant_id = $1');
const COUNT_TENANTS = statement('identity.count_tenants', 'SELECT count(*)::integer AS count FROM tenants');
const LOCK_AUTOCREATE = statement(
  'identity.lock_autocreate',
  `SELECT pg_advisory_xact_lock(hashtextextended('scaivault:tenant_autocreate', 0))`,
);
const INSERT_PARTNER = statement(
  'identity.insert_partner',
  'INSERT INTO partners (partner_id) VALUES ($1) ON CONFLICT DO NOTHING',
);
const INSERT_TENANT = statement(
  'identity.insert_tenant',
  'INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING tenant_id',
);

/** The partner that a tenant belongs to, or null when there is no such tenant. */
export async function partnerOf(db: Queryable, tenantId: TenantId): Promise<PartnerId | null> {
  const [row] = await db.query<{ partner_id: string }>(TENANT_PARTNER, [tenantId]);
  return row === undefined ? null : parsePartnerId(row.partner_id);
}

/** Serialises automatic creation over all replicas until the transaction ends; then counts the tenants there are. */
export async function countTenantsLocked(tx: Transaction): Promise<number> {
  await tx.query(LOCK_AUTOCREATE);
  const [row] = await tx.query<{ count: number }>(COUNT_TENANTS);
  return row?.count ?? 0;
}

/** Makes the partner if it is missing, then the tenant. @returns false when a tenant of that id is there already. */
export async function insertTenant(tx: Transaction, tenantId: TenantId, partnerId: PartnerId): Promise<boolean> {
  await tx.query(INSERT_PARTNER, [partnerId]);
  return (await tx.query(INSERT_TENANT, [tenantId, partnerId])).length > 0;
}

// -------------------------------------------------------------------------------------------------- seen identities

// Absent claims say nothing, so they leave what is known: $6 tells whether the token spoke of an e-mail address.
const UPSERT_IDENTITY = statement(
  'identity.upsert',
  `INSERT INTO identities AS known (tenant_id, issuer, kind, subject_id, email, display_name)
   VALUES ($1, $2, $3, $4, $5, $7)
   ON CONFLICT (tenant_id, issuer, kind, subject_id) DO UPDATE
   SET email = CASE WHEN $6 THEN excluded.email ELSE known.email END, display_name = excluded.display_name
   WHERE (known.email IS DISTINCT FROM excluded.email AND $6) OR known.display_name <> excluded.display_name`,
);
const BY_EMAIL = statement(
  'identity.by_email',
  `SELECT issuer, kind, subject_id, display_name FROM identities
   WHERE tenant_id = $1 AND email = $2 AND kind = 'user' LIMIT 2`,
);
const BY_ID = statement(
  'identity.by_id',
  `SELECT issuer, kind, subject_id, display_name FROM identities WHERE tenant_id = $1 AND kind = $2 AND subject_id = $3`,
);

export interface SeenIdentity {
  readonly subject: Subject;
  /** Verified, canonical; null: the provider vouches for none; undefined: the token does not speak of one. */
  readonly email: string | null | undefined;
  readonly displayName: string;
}

export interface KnownIdentity {
  readonly subject: Subject;
  readonly displayName: string;
}

/** Notes who was seen, or what changed about them. */
export async function upsertIdentity(db: Queryable, { subject, email, displayName }: SeenIdentity): Promise<void> {
  const { tenantId, issuer, kind, id } = subject;
  await db.query(UPSERT_IDENTITY, [tenantId, issuer, kind, id, email ?? null, email !== undefined, displayName]);
}

interface IdentityRow {
  readonly issuer: string;
  readonly kind: Subject['kind'];
  readonly subject_id: string;
  readonly display_name: string;
}

function toKnown(tenantId: TenantId, row: IdentityRow): KnownIdentity {
  return {
    subject: { kind: row.kind, issuer: row.issuer, tenantId, id: row.subject_id },
    displayName: row.display_name,
  };
}

/** Users of a tenant with this verified address: none, one, or two of however many. */
export async function usersByEmail(
  db: Queryable,
  tenantId: TenantId,
  email: string,
): Promise<readonly KnownIdentity[]> {
  return (await db.query<IdentityRow>(BY_EMAIL, [tenantId, email])).map((row) => toKnown(tenantId, row));
}

/** Identities of a tenant with this id, one for each issuer that uses it. */
export async function identitiesById(
  db: Queryable,
  tenantId: TenantId,
  kind: Subject['kind'],
  id: string,
): Promise<readonly KnownIdentity[]> {
  return (await db.query<IdentityRow>(BY_ID, [tenantId, kind, id])).map((row) => toKnown(tenantId, row));
}

// ------------------------------------------------------------------------------------------------------------ roles

const ROLES_OF = statement(
  'identity.roles_of',
  'SELECT role, effect FROM role_grants WHERE tenant_id = $1 AND issuer = $2 AND kind = $3 AND subject_id = $4',
);
const GRANT_ROLE = statement(
  'identity.grant_role',
  `INSERT INTO role_grants AS held (tenant_id, issuer, kind, subject_id, role, effect, created_by)
   VALUES ($1, $2, $3, $4, $5, 'grant', $6)
   ON CONFLICT (tenant_id, issuer, kind, subject_id, role) DO UPDATE
   SET effect = 'grant', created_by = excluded.created_by, created_at = now() WHERE held.effect <> 'grant'
   RETURNING role`,
);
const RAISE_SUBJECT_EPOCH = statement(
  'identity.raise_subject_epoch',
  'UPDATE tenants SET subject_epoch = subject_epoch + 1 WHERE tenant_id = $1',
);
const FIRST_SUPER_ADMIN = statement('identity.first_super_admin', 'SELECT 1 AS made FROM first_super_admin');
const CLAIM_FIRST_SUPER_ADMIN = statement(
  'identity.claim_first_super_admin',
  `INSERT INTO first_super_admin (issuer, tenant_id, subject_id) VALUES ($1, $2, $3)
   ON CONFLICT DO NOTHING RETURNING singleton`,
);

export interface LocalRoles {
  readonly granted: ReadonlySet<Role>;
  readonly revoked: ReadonlySet<Role>;
}

/** What this installation itself grants to a subject, or takes from it. */
export async function localRoles(db: Queryable, subject: Subject): Promise<LocalRoles> {
  const values = [subject.tenantId, subject.issuer, subject.kind, subject.id];
  const rows = await db.query<{ role: string; effect: string }>(ROLES_OF, values);
  const withEffect = (effect: string) =>
    new Set(
      rows
        .filter((row) => row.effect === effect)
        .map((row) => row.role)
        .filter(isRole),
    );
  return { granted: withEffect('grant'), revoked: withEffect('revoke') };
}

/** Grants a role and raises the tenant's subject epoch. @returns false when the subject held it already. */
export async function insertGrant(tx: Transaction, subject: Subject, role: Role, by: string): Promise<boolean> {
  const values = [subject.tenantId, subject.issuer, subject.kind, subject.id, role, by];
  const granted = (await tx.query(GRANT_ROLE, values)).length > 0;
  if (granted) await tx.query(RAISE_SUBJECT_EPOCH, [subject.tenantId]);
  return granted;
}

/** Whether this database has ever had a super_admin. */
export async function hadSuperAdmin(db: Queryable): Promise<boolean> {
  return (await db.query(FIRST_SUPER_ADMIN)).length > 0;
}

/** Takes the one place in the life of the database. @returns false when it is taken. */
export async function claimFirstSuperAdmin(tx: Transaction, subject: Subject): Promise<boolean> {
  const values = [subject.issuer, subject.tenantId, subject.id];
  return (await tx.query(CLAIM_FIRST_SUPER_ADMIN, values)).length > 0;
}
