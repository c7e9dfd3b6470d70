/** That the serving role's grants are what the server's statements need: no less, and no more. */
import { Client } from 'pg';
import * as assert from 'uvu/assert';
import { quoted } from '../../src/postgres/app-role.ts';
import { FUNCTION_GRANTS, TABLE_GRANTS } from '../../src/postgres/app-role-grants.ts';
import { allStatements } from '../postgres/statements.ts';
import { suite } from '../support/suite.ts';
import { type RoleHouse, roleHouse } from './app-roles.ts';

const test = suite('the grants of the serving role', { timeoutMs: 60_000 });

/** Granted though no statement needs it yet: spec 12, "Database roles", names it, for `doctor` and `backup-verify`. */
const RULED = ['SELECT ON key_history'];
/** What reads them is no prepared statement but the look at the schema when the server starts. */
const AT_START = ['SELECT ON migration_checksums'];
const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];

const statements = await allStatements();
let house: RoleHouse;
let client: Client;
let role: string;

test.before(async () => {
  house = await roleHouse();
  role = await house.role();
  await house.migrate();
  assert.equal(await house.name(role), [], 'nothing beyond what is needed');
  client = new Client({ connectionString: house.url });
  await client.connect();
  // A plan for the value given could leave out what the statement touches otherwise.
  await client.query('SET plan_cache_mode = force_generic_plan');
  for (const [index, { text }] of statements.entries()) await client.query(`PREPARE s${index} AS ${text}`);
});
test.after(async () => {
  await client.end();
  await house.remove();
});

/** Plans a statement as the role, which checks every right it needs. @returns why it may not, or null */
async function refusedTo(index: number): Promise<string | null> {
  const { rows } = await client.query(
    'SELECT cardinality(parameter_types) AS n FROM pg_prepared_statements WHERE name = $1',
    [`s${index}`],
  );
  const values = Array.from({ length: rows[0].n }, () => 'NULL');
  await client.query(`SAVEPOINT before; SET LOCAL ROLE ${quoted(role)}`);
  try {
    await client.query(`EXPLAIN EXECUTE s${index}${values.length === 0 ? '' : `(${values.join()})`}`);
    return null;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    assert.is(code, '42501', `${statements[index]?.name}: ${message}`);
    return message;
  } finally {
    await client.query('ROLLBACK TO before');
  }
}

async function rolledBack<T>(work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    return await work();
  } finally {
    await client.query('ROLLBACK');
  }
}

/** `SELECT, UPDATE (a, b)` is three rights. */
function rightsOf(grants: string): readonly string[] {
  return [...grants.matchAll(/([A-Z]+)(?: \(([^)]*)\))?/g)].flatMap(([, privilege = '', columns]) =>
    columns === undefined ? [privilege] : columns.split(',').map((column) => `${privilege} (${column.trim()})`),
  );
}

test('suffice for every statement', () =>
  rolledBack(async () => {
    const refused: string[] = [];
    for (const [index, { name }] of statements.entries()) {
      const why = await refusedTo(index);
      if (why !== null) refused.push(`${name}: ${why}`);
    }
    assert.equal(refused, []);
    assert.ok(statements.length > 40);
  }));

test('hold none to spare: without any one of them a statement fails', async () => {
  const tables = Object.entries(TABLE_GRANTS).flatMap(([table, grants]) =>
    rightsOf(grants).map((right) => ({ right: `${right} ON ${table}`, mentions: table })),
  );
  const functions = FUNCTION_GRANTS.map((signature) => ({
    right: `EXECUTE ON FUNCTION ${signature}`,
    mentions: signature.replace(/\(.*/, ''),
  }));
  const spare: string[] = [];
  for (const { right, mentions } of [...tables, ...functions]) {
    if (RULED.includes(right) || AT_START.includes(right)) continue;
    const touching = statements.flatMap(({ text }, index) => (text.includes(mentions) ? [index] : []));
    const needed = await rolledBack(async () => {
      await client.query(`REVOKE ${right} FROM ${quoted(role)}`);
      for (const index of touching) if ((await refusedTo(index)) !== null) return true;
      return false;
    });
    if (!needed) spare.push(right);
  }
  assert.equal(spare, []);
});

test('are said for every table, and for none that is not there', async () => {
  const rows = await house.sql(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`);
  const names = rows.map(({ name }) => String(name)).filter((name) => !/^audit_log_\d{6}$/.test(name));
  assert.equal(names, Object.keys(TABLE_GRANTS).sort());
});

test('are in force, and nothing else is, partitions included', async () => {
  const rows = await house.sql(
    `SELECT c.relname AS "table", array_agg(p ORDER BY p) FILTER (WHERE has_table_privilege($1, c.oid, p)) AS may
     FROM pg_class c, unnest($2::text[]) AS p
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY c.relname`,
    [role, ALL],
  );
  assert.ok(rows.some(({ table }) => /^audit_log_\d{6}$/.test(String(table))));
  for (const { table, may } of rows) {
    const whole = rightsOf(TABLE_GRANTS[String(table)] ?? '').filter((right) => !right.includes('('));
    assert.equal(may ?? [], [...whole].sort(), String(table));
  }
});

test('leave no way to change the schema, to unsay what was recorded, or to grant more', async () => {
  const attempts = [
    'CREATE TABLE mine ()',
    'CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE INDEX mine ON secrets (owner)',
    'ALTER TABLE secrets ADD COLUMN mine text',
    'DROP TABLE secrets',
    'DROP TABLE audit_log_default',
    'ALTER FUNCTION audit_ensure_partitions(integer) RESET ALL',
    'TRUNCATE secrets',
    'TRUNCATE audit_log',
    'UPDATE audit_log SET success = true',
    'DELETE FROM audit_log',
    'SELECT 1 FROM audit_log FOR UPDATE',
    'INSERT INTO audit_log_default SELECT * FROM audit_log',
    'UPDATE key_history SET actor = NULL',
    'DELETE FROM key_history',
    'DELETE FROM policy_versions',
    'UPDATE tenants SET partner_id = partner_id',
    'DELETE FROM tenants',
    `UPDATE root_keys SET fingerprint = ''`,
    'UPDATE first_super_admin SET subject_id = subject_id',
    'DELETE FROM first_super_admin',
    'DELETE FROM migration_checksums',
    `INSERT INTO app_roles (role) VALUES ('mine')`,
    'GRANT UPDATE ON audit_log TO PUBLIC',
    `SET ROLE ${quoted(new URL(house.url).username)}`,
  ];
  for (const attempt of attempts) {
    await rolledBack(async () => {
      // Not SET ROLE: a superuser who has put on a role may take it off again.
      await client.query(`SET LOCAL SESSION AUTHORIZATION ${quoted(role)}`);
      const error = await client.query(attempt).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      // A grant without the right to it is a warning only, when some right is there.
      if (attempt.startsWith('GRANT') && error === null) return;
      assert.is((error as { code?: string } | null)?.code, '42501', `${attempt}: ${error}`);
    });
  }
  const [audit] = await house.sql(`SELECT relacl::text AS acl FROM pg_class WHERE relname = 'audit_log'`);
  assert.not.match(String(audit?.acl), /(?<=[{,])=/, 'nothing for PUBLIC');
});

test.run();
