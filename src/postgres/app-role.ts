import { FUNCTION_GRANTS, TABLE_GRANTS } from './app-role-grants.ts';
import { PrivilegeMissing } from './database.ts';
import { alone } from './migration-lock.ts';
import type { MigrationSession } from './migration-session.ts';

/** The role cannot be one that the server serves under. */
export class AppRoleRefused extends Error {
  override readonly name = 'AppRoleRefused';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** A role, a schema or a table as it stands in a statement, whatever it is called. */
export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

interface RoleRow {
  readonly superuser: boolean;
  readonly owner: boolean;
}

// Compared as text: as a name, one that is too long would be cut, and might then be another role's.
const FIND_ROLE = `
  SELECT r.rolsuper AS superuser,
    pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = current_user), 'MEMBER')
      OR pg_has_role(r.oid, n.nspowner, 'MEMBER') AS owner
  FROM pg_roles r, pg_namespace n
  WHERE r.rolname::text = $1::text AND n.nspname = current_schema()`;

/** @throws AppRoleRefused when there is no such role, or grants would mean nothing to it */
export async function assertAppRole(session: MigrationSession, role: string): Promise<void> {
  const [found] = (await session.query(FIND_ROLE, [role])) as readonly unknown[] as readonly RoleRow[];
  if (found === undefined) {
    throw new AppRoleRefused(
      `There is no role ${quoted(role)} in this database server`,
      `Make it first: CREATE ROLE ${quoted(role)} LOGIN PASSWORD '...'`,
    );
  }
  if (role.startsWith('pg_')) {
    throw new AppRoleRefused(`${quoted(role)} is one of PostgreSQL's own roles`, 'Make one for the server alone.');
  }
  if (found.superuser || found.owner) {
    throw new AppRoleRefused(
      `The role ${quoted(role)} ${found.superuser ? 'is a superuser' : 'owns the schema, or may act as its owner'}, so it may do everything already`,
      'Name a role that neither owns the schema nor is a member of its owner.',
    );
  }
}

/** Tables, partitions and sequences that the migrating role has made here. */
const OWN_RELATIONS = `
  SELECT c.relname AS name, c.relkind = 'S' AS sequence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'S') AND pg_has_role(c.relowner, 'USAGE')
  ORDER BY c.relname`;
const OWN_FUNCTIONS = `
  SELECT p.oid::regprocedure::text AS signature FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = current_schema() AND pg_has_role(p.proowner, 'USAGE')`;

/**
 * The statements that bring the role to exactly what the lists name: first everything is taken away, then that is given.
 * In one transaction nobody sees the state in between.
 * @param afterMigrating as they will be when nothing is pending any more; otherwise for what is there now
 * @throws PrivilegeMissing when the tables are not those of the migrating role
 */
export async function grantStatements(
  session: MigrationSession,
  role: string,
  { afterMigrating = false } = {},
): Promise<readonly string[]> {
  const [here] = await session.query('SELECT current_schema() AS schema', []);
  const schema = quoted(String(here?.schema));
  const to = quoted(role);
  const relations = await session.query(OWN_RELATIONS, []);
  const functions = new Set((await session.query(OWN_FUNCTIONS, [])).map(({ signature }) => String(signature)));
  const present = new Set(relations.map(({ name }) => String(name)));
  if (!afterMigrating && !present.has('migration_checksums')) {
    throw new PrivilegeMissing('the tables belong to another role');
  }
  const revoked = relations.map(
    ({ name, sequence }) =>
      `REVOKE ALL ON ${sequence === true ? 'SEQUENCE' : 'TABLE'} ${schema}.${quoted(String(name))} FROM ${to}`,
  );
  const granted = Object.entries(TABLE_GRANTS)
    // While older migrations are applied, tables of later ones are not there yet.
    .filter(([table, privileges]) => privileges !== '' && (afterMigrating || present.has(table)))
    .map(([table, privileges]) => `GRANT ${privileges} ON TABLE ${schema}.${quoted(table)} TO ${to}`);
  const callable = FUNCTION_GRANTS.filter((signature) => afterMigrating || functions.has(signature)).map(
    (signature) => `GRANT EXECUTE ON FUNCTION ${schema}.${signature} TO ${to}`,
  );
  return [
    // What was once granted in advance would reach every partition that is made later.
    `ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM ${to}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} REVOKE ALL ON TABLES FROM ${to}`,
    ...revoked,
    `REVOKE ALL ON SCHEMA ${schema} FROM ${to}`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${to}`,
    ...granted,
    ...callable,
  ];
}

/** New partitions are made under this lock: none appears between looking and granting. */
const PARTITIONS_STAY = `SELECT pg_advisory_xact_lock(hashtextextended('scaivault:audit_partitions', 0))`;

async function grant(session: MigrationSession, role: string): Promise<void> {
  await session.script(PARTITIONS_STAY);
  await session.script((await grantStatements(session, role)).join(';\n'));
}

/** The roles that were named before and shall get what later migrations add. */
async function rememberedRoles(session: MigrationSession): Promise<readonly string[]> {
  const [table] = await session.query(`SELECT to_regclass('app_roles') IS NOT NULL AS found`, []);
  if (table?.found !== true) return [];
  return (await session.query('SELECT role FROM app_roles ORDER BY role', [])).map(({ role }) => String(role));
}

/**
 * Grants each remembered role what the schema holds now. To be called in the transaction of a migration.
 * @param skipped is told of a role that is gone by now, or has become one to which grants mean nothing
 */
export async function grantRememberedRoles(
  session: MigrationSession,
  skipped: (reason: string) => void,
): Promise<void> {
  for (const role of await rememberedRoles(session)) {
    const refusal = await assertAppRole(session, role).catch((error: unknown) => error);
    if (refusal === undefined) await grant(session, role);
    else if (refusal instanceof AppRoleRefused) skipped(`${refusal.message}; it was granted nothing.`);
    else throw refusal;
  }
}

/**
 * Gives the role exactly the rights of a serving one, now and with every later migration.
 * @returns what it may do beyond that, through PUBLIC or another role, in words
 * @throws AppRoleRefused, PrivilegeMissing
 */
export async function nameAppRole(
  session: MigrationSession,
  role: string,
  waiting: (seconds: number) => void,
): Promise<readonly string[]> {
  return alone(session, waiting, async () => {
    await assertAppRole(session, role);
    await session.script('BEGIN');
    try {
      await grant(session, role);
      await session.query('INSERT INTO app_roles (role) VALUES ($1) ON CONFLICT DO NOTHING', [role]);
      await session.script('COMMIT');
    } catch (error) {
      await session.script('ROLLBACK').catch(() => {});
      throw error;
    }
    return excessOf(session, role);
  });
}

const EFFECTIVE = `
  SELECT c.relname AS "table", p.privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
  WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND has_table_privilege($1, c.oid, p.privilege)
  ORDER BY 1, 2`;

/** Privileges on a whole table; those on single columns are no excess of it. */
function wholeTable(grants: string): readonly string[] {
  return grants.split(/,\s*(?![^(]*\))/).filter((privilege) => !privilege.includes('('));
}

async function excessOf(session: MigrationSession, role: string): Promise<readonly string[]> {
  const effective = await session.query(EFFECTIVE, [role]);
  const [create] = await session.query(
    `SELECT has_schema_privilege($1, current_schema(), 'CREATE') AS may, current_schema() AS schema`,
    [role],
  );
  const tables = effective.filter(
    ({ table, privilege }) => !wholeTable(TABLE_GRANTS[String(table)] ?? '').includes(String(privilege)),
  );
  return [
    ...(create?.may === true ? [`CREATE in schema ${create.schema}`] : []),
    ...tables.map(({ table, privilege }) => `${privilege} on ${table}`),
  ];
}
