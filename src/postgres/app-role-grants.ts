/**
 * What the serving role may do, and nothing else: `scaivault migrate --app-role` makes it so. A test takes each entry
 * away and sees a statement of the server fail, so none is here for convenience.
 */

/** What is append-only has no UPDATE and no DELETE: the server cannot unsay what it has recorded. */
const APPEND_ONLY = 'SELECT, INSERT';
/** For tables that only the migrating role uses. */
const NONE = '';

/** By table; every table of the schema is listed. Columns are named where the rest of a row must never change. */
export const TABLE_GRANTS: Readonly<Record<string, string>> = {
  installation: 'SELECT, INSERT',

  // A key that wraps is locked FOR KEY SHARE, which demands the right to update some column.
  root_keys: 'SELECT, INSERT, UPDATE (state)',
  root_key_wraps: 'SELECT, INSERT',
  partner_keys: 'SELECT, INSERT, UPDATE (state)',
  tenant_keys: 'SELECT, INSERT, UPDATE (state)',
  key_history: APPEND_ONLY,

  partners: 'INSERT',
  tenants: 'SELECT, INSERT, UPDATE (policy_epoch, subject_epoch)',
  identities: 'SELECT, INSERT, UPDATE',
  role_grants: 'SELECT, INSERT, UPDATE',
  first_super_admin: APPEND_ONLY,

  policies: 'SELECT, INSERT, UPDATE, DELETE',
  policy_versions: APPEND_ONLY,
  policy_bindings: 'SELECT, INSERT, UPDATE, DELETE',

  secrets: 'SELECT, INSERT, UPDATE, DELETE',
  secret_versions: 'SELECT, INSERT, UPDATE',

  idempotency: 'SELECT, INSERT, UPDATE, DELETE',

  audit_log: APPEND_ONLY,
  audit_log_default: NONE,

  migration_checksums: 'SELECT',
  migrations: NONE,
  app_roles: NONE,
};

/** Each runs with its owner's rights and checks what it is asked for. */
export const FUNCTION_GRANTS: readonly string[] = ['audit_ensure_partitions(integer)'];
