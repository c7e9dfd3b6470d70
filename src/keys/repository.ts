/** All SQL about keys. */
import type { KeyId, PartnerId, TenantId } from '../contract/names.ts';
import { type Queryable, statement, type Transaction } from '../postgres/database.ts';
import type { KeyState, OwnedKey } from './owned-key.ts';

export interface RootKeyRow {
  readonly id: KeyId;
  readonly version: number;
  readonly fingerprint: Buffer;
  readonly succession: Buffer | null;
  readonly state: KeyState;
  readonly createdAt: Date;
}

export interface RootWrapRow {
  readonly rootKeyId: KeyId;
  /** `kms:primary`, ... */
  readonly recipient: string;
  readonly provider: string;
  readonly keyRef: string;
  readonly ciphertext: Buffer;
}

export interface TenantKey extends OwnedKey {
  readonly partnerId: PartnerId;
}

// ------------------------------------------------------------------------------------------------- the root key

// Polled, not waited for: a statement that waits for a lock is cut off by the statement timeout.
const LOCK_ROOT = statement(
  'key.lock_root',
  `SELECT pg_try_advisory_xact_lock(hashtextextended('scaivault:root_key', 0)) AS locked`,
);
const READ_INSTALLATION = statement('key.installation', 'SELECT id FROM installation');
const INSERT_INSTALLATION = statement(
  'key.insert_installation',
  'INSERT INTO installation (id) VALUES ($1) ON CONFLICT DO NOTHING',
);
const READ_ROOTS = statement(
  'key.roots',
  `SELECT id, version, fingerprint, succession, state, created_at AS "createdAt" FROM root_keys ORDER BY version`,
);
const READ_ROOT_WRAPS = statement(
  'key.root_wraps',
  `SELECT root_key_id AS "rootKeyId", recipient, provider, key_ref AS "keyRef", ciphertext
     FROM root_key_wraps ORDER BY root_key_id, recipient`,
);
// Of the whole installation on purpose: whether anything at all hangs on a root key that is not there.
const ANYTHING_WRAPPED = statement(
  'key.anything_wrapped',
  `SELECT EXISTS (SELECT FROM partner_keys) OR EXISTS (SELECT FROM tenant_keys)
       OR EXISTS (SELECT FROM secret_versions) AS present`,
);
const INSERT_ROOT = statement(
  'key.insert_root',
  `INSERT INTO root_keys (id, version, fingerprint, succession, state, created_at)
   VALUES ($1, $2, $3, $4, $5, $6)`,
);
const INSERT_ROOT_WRAP = statement(
  'key.insert_root_wrap',
  `INSERT INTO root_key_wraps (root_key_id, recipient, provider, key_ref, ciphertext) VALUES ($1, $2, $3, $4, $5)`,
);

export async function lockRoot(tx: Transaction): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }>(LOCK_ROOT);
  return row?.locked === true;
}

/** The installation's id; null before the first start. */
export async function installationId(db: Queryable): Promise<string | null> {
  const [row] = await db.query<{ id: string }>(READ_INSTALLATION);
  return row?.id ?? null;
}

export async function insertInstallation(tx: Transaction, id: string): Promise<void> {
  await tx.query(INSERT_INSTALLATION, [id]);
}

/** Every version of the root key, the oldest first. */
export function rootKeys(db: Queryable): Promise<readonly RootKeyRow[]> {
  return db.query<RootKeyRow>(READ_ROOTS);
}

export function rootWraps(db: Queryable): Promise<readonly RootWrapRow[]> {
  return db.query<RootWrapRow>(READ_ROOT_WRAPS);
}

/** Whether there is a key or a value that needs a root key to be read. */
export async function anythingWrapped(db: Queryable): Promise<boolean> {
  const [row] = await db.query<{ present: boolean }>(ANYTHING_WRAPPED);
  return row?.present === true;
}

export async function insertRoot(tx: Transaction, row: RootKeyRow, wrap: RootWrapRow): Promise<void> {
  await tx.query(INSERT_ROOT, [row.id, row.version, row.fingerprint, row.succession, row.state, row.createdAt]);
  await tx.query(INSERT_ROOT_WRAP, [wrap.rootKeyId, wrap.recipient, wrap.provider, wrap.keyRef, wrap.ciphertext]);
}

// ---------------------------------------------------------------------------------------- partner and tenant keys

const OWNED_COLUMNS = `id, version, wrapped_key AS "wrappedKey", fingerprint, state, active_mac AS "activeMac"`;
const PARTNER_COLUMNS = `'partner' AS kind, partner_id AS "ownerId", root_key_id AS "parentId", ${OWNED_COLUMNS}`;
const TENANT_COLUMNS = `'tenant' AS kind, tenant_id AS "ownerId", partner_key_id AS "parentId",
  partner_id AS "partnerId", ${OWNED_COLUMNS}`;

const READ_PARTNER_KEY = statement(
  'key.partner',
  `SELECT ${PARTNER_COLUMNS} FROM partner_keys WHERE partner_id = $1 AND id = $2`,
);
const READ_ACTIVE_PARTNER_KEY = statement(
  'key.partner_active',
  `SELECT ${PARTNER_COLUMNS} FROM partner_keys WHERE partner_id = $1 AND state = 'active'`,
);
const NEXT_PARTNER_VERSION = statement(
  'key.partner_next',
  'SELECT coalesce(max(version), 0) + 1 AS version FROM partner_keys WHERE partner_id = $1',
);
// A wrap is stored only while the key that made it is active. A conflict, whether about the one active key or about
// the version, means that another process was first.
const INSERT_PARTNER_KEY = statement(
  'key.insert_partner',
  `INSERT INTO partner_keys
     (partner_id, id, version, root_key_id, wrapped_key, fingerprint, state, active_mac, created_at)
   SELECT $1, $2, $3, parent.id, $5, $6, 'active', $7, now()
     FROM root_keys parent WHERE parent.id = $4 AND parent.state = 'active' FOR KEY SHARE
   ON CONFLICT DO NOTHING RETURNING id`,
);

const READ_TENANT_KEY = statement(
  'key.tenant',
  `SELECT ${TENANT_COLUMNS} FROM tenant_keys WHERE tenant_id = $1 AND id = $2`,
);
const READ_ACTIVE_TENANT_KEY = statement(
  'key.tenant_active',
  `SELECT ${TENANT_COLUMNS} FROM tenant_keys WHERE tenant_id = $1 AND state = 'active'`,
);
const NEXT_TENANT_VERSION = statement(
  'key.tenant_next',
  'SELECT coalesce(max(version), 0) + 1 AS version FROM tenant_keys WHERE tenant_id = $1',
);
const INSERT_TENANT_KEY = statement(
  'key.insert_tenant',
  `INSERT INTO tenant_keys
     (tenant_id, id, version, partner_id, partner_key_id, wrapped_key, fingerprint, state, active_mac, created_at)
   SELECT $1, $2, $3, parent.partner_id, parent.id, $6, $7, 'active', $8, now()
     FROM partner_keys parent WHERE parent.partner_id = $4 AND parent.id = $5 AND parent.state = 'active' FOR KEY SHARE
   ON CONFLICT DO NOTHING RETURNING id`,
);

type NewKey = OwnedKey & { readonly activeMac: Buffer };

export async function partnerKey(db: Queryable, partnerId: PartnerId, id: KeyId): Promise<OwnedKey | null> {
  const [row] = await db.query<OwnedKey>(READ_PARTNER_KEY, [partnerId, id]);
  return row ?? null;
}

export async function activePartnerKey(db: Queryable, partnerId: PartnerId): Promise<OwnedKey | null> {
  const [row] = await db.query<OwnedKey>(READ_ACTIVE_PARTNER_KEY, [partnerId]);
  return row ?? null;
}

export async function nextPartnerVersion(db: Queryable, partnerId: PartnerId): Promise<number> {
  const [row] = await db.query<{ version: number }>(NEXT_PARTNER_VERSION, [partnerId]);
  return row?.version ?? 1;
}

/** False: another process was first, or the root key is not active any more. */
export async function insertPartnerKey(tx: Transaction, key: NewKey): Promise<boolean> {
  const values = [key.ownerId, key.id, key.version, key.parentId, key.wrappedKey, key.fingerprint, key.activeMac];
  return (await tx.query(INSERT_PARTNER_KEY, values)).length === 1;
}

export async function tenantKey(db: Queryable, tenantId: TenantId, id: KeyId): Promise<TenantKey | null> {
  const [row] = await db.query<TenantKey>(READ_TENANT_KEY, [tenantId, id]);
  return row ?? null;
}

export async function activeTenantKey(db: Queryable, tenantId: TenantId): Promise<TenantKey | null> {
  const [row] = await db.query<TenantKey>(READ_ACTIVE_TENANT_KEY, [tenantId]);
  return row ?? null;
}

export async function nextTenantVersion(db: Queryable, tenantId: TenantId): Promise<number> {
  const [row] = await db.query<{ version: number }>(NEXT_TENANT_VERSION, [tenantId]);
  return row?.version ?? 1;
}

/** False: another process was first, or the partner key is not active any more. */
export async function insertTenantKey(tx: Transaction, key: NewKey, partnerId: PartnerId): Promise<boolean> {
  const { ownerId, id, version, parentId, wrappedKey, fingerprint, activeMac } = key;
  const values = [ownerId, id, version, partnerId, parentId, wrappedKey, fingerprint, activeMac];
  return (await tx.query(INSERT_TENANT_KEY, values)).length === 1;
}

// ------------------------------------------------------------------------------------------------------- history

const INSERT_HISTORY = statement(
  'key.insert_history',
  `INSERT INTO key_history (key_id, event, kind, owner_id, version, fingerprint, wrapped_by, actor)
   SELECT $1, event, $3, $4, $5, $6, $7, $8 FROM unnest($2::text[]) AS event`,
);

export interface HistoryEntry {
  readonly keyId: KeyId;
  readonly kind: 'root' | 'partner' | 'tenant';
  /** Installation, partner or tenant. */
  readonly ownerId: string;
  readonly version: number;
  readonly fingerprint: Buffer;
  /** Id of the parent key, or the provider's key reference. */
  readonly wrappedBy: string;
  readonly actor: string;
}

/** A key that was made and is active from the start. */
export async function recordMaking(tx: Transaction, entry: HistoryEntry): Promise<void> {
  const { keyId, kind, ownerId, version, fingerprint, wrappedBy, actor } = entry;
  const events = ['created', 'activated'];
  await tx.query(INSERT_HISTORY, [keyId, events, kind, ownerId, version, fingerprint, wrappedBy, actor]);
}
