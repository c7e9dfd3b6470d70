import { Client } from 'pg';
import * as assert from 'uvu/assert';
import type { Statement } from '../../src/postgres/database.ts';
import { migrated } from '../audit/fixtures.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { suite } from '../support/suite.ts';
import { allStatements } from './statements.ts';

const test = suite('every SQL statement');

/** Asks about the whole installation on purpose, at start, where a tenant is made or to remove what is over. */
const WHOLE_INSTALLATION = ['key.anything_wrapped', 'identity.count_tenants', 'idempotency.sweep'];
/** Goes through the tenants, and finds each one's rows through an index. */
const TENANT_BY_TENANT = ['secrets.due_versions', 'secrets.due_secrets'];
/** Changes something and yet may be sent again: done twice it is the same. */
const IDEMPOTENT = ['audit.ensure_partitions'];

const statements = await allStatements();
let database: TestDatabase;
let client: Client;
/** Tables whose primary key begins with the tenant. */
let tenantTables: ReadonlySet<string>;

test.before(async () => {
  database = await migrated();
  client = new Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(`SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indisprimary AND a.attname = 'tenant_id'`);
  tenantTables = new Set(rows.map(({ name }) => name as string));
  await fill();
});
test.after(async () => {
  await client.end();
  await database.drop();
});

/** 2000 tenants, each with a little of everything: enough for the planner to prefer an index where there is one. */
async function fill(): Promise<void> {
  const bytes = (n: number) => `decode(repeat('00', ${n}), 'hex')`;
  await client.query(`
    INSERT INTO installation (id) VALUES ('ins');
    INSERT INTO root_keys VALUES ('rk', 1, ${bytes(32)}, NULL, 'active', now());
    INSERT INTO partners SELECT 'p' || n FROM generate_series(1, 20) n;
    INSERT INTO partner_keys SELECT 'p' || n, 'pk' || n, 1, 'rk', '', ${bytes(32)}, 'active', '', now() FROM generate_series(1, 20) n;
    INSERT INTO tenants (tenant_id, partner_id) SELECT 't' || n, 'p' || n % 20 + 1 FROM generate_series(1, 2000) n;
    INSERT INTO tenant_keys SELECT 't' || n, 'tk' || n, 1, 'p' || n % 20 + 1, 'pk' || n % 20 + 1, '', ${bytes(32)}, 'active', '', now()
      FROM generate_series(1, 2000) n;
    INSERT INTO identities SELECT 't' || n, 'i', 'user', 's' || m, m || '@x', '', now() FROM generate_series(1, 2000) n, generate_series(1, 5) m;
    INSERT INTO role_grants SELECT 't' || n, 'i', 'user', 's' || m, 'auditor', 'grant', now(), 'x' FROM generate_series(1, 2000) n, generate_series(1, 3) m;
    INSERT INTO policies (tenant_id, id, name, scope, rules) SELECT 't' || n, 'pol' || m, 'n' || m, 'tenant', '[]' FROM generate_series(1, 2000) n, generate_series(1, 5) m;
    INSERT INTO policy_versions (tenant_id, policy_id, version, name, description, is_active, rules, changed_by)
      SELECT tenant_id, id, m, name, '', true, '[]', 'x' FROM policies, generate_series(1, 3) m;
    INSERT INTO policy_bindings SELECT tenant_id, 'b' || id, id, 'user', 'i', tenant_id, 's1', '', NULL, now(), 'x' FROM policies;
    INSERT INTO secrets (tenant_id, id, path, secret_type, current_version) SELECT 't' || n, 's' || m, 'p' || m, 'kv', 1 FROM generate_series(1, 2000) n, generate_series(1, 5) m;
    INSERT INTO secret_versions (tenant_id, secret_id, version, ciphertext, wrapped_key, key_id, created_by)
      SELECT tenant_id, id, 1, '', '', 'tk' || substr(tenant_id, 2), 'x' FROM secrets;
    INSERT INTO idempotency (tenant_id, subject, key, route, body_mac, state, expires_at)
      SELECT 't' || n, ${bytes(32)}, 'k' || m, 'r', ${bytes(32)}, 'done', now() + n * interval '1 minute' FROM generate_series(1, 2000) n, generate_series(1, 5) m;
    INSERT INTO audit_log (tenant_id, "timestamp", id, action, success, duration_ms, instance_id, chain_id, seq, salt, prev_hash, leaf_hash, hash)
      SELECT 't' || n % 2000, now() + n * interval '2 minutes', 'l' || n, 'read', true, 0, 'x', 'c' || n % 20, n, ${bytes(16)}, ${bytes(32)}, ${bytes(32)}, ${bytes(32)}
      FROM generate_series(1, 30000) n;
    ANALYZE`);
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Filter?: string;
  readonly Plans?: readonly Plan[];
}

const nodesOf = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** A value of each type, so that partitions are pruned as they would be. */
const SAMPLES: Readonly<Record<string, string>> = {
  text: `'x'`,
  'text[]': `'{x}'`,
  integer: '1',
  'integer[]': `'{1}'`,
  bigint: '1',
  boolean: 'true',
  bytea: `''`,
  json: `'[]'`,
  jsonb: `'[]'`,
  'timestamp with time zone': 'now()',
};

/** Calls `use` with the EXECUTE of a statement, prepared as a connection prepares it that has used it often. */
async function prepared<T>({ name, text }: Statement, use: (execute: string) => Promise<T>): Promise<T> {
  await client.query(`PREPARE checked AS ${text}`);
  try {
    const { rows } = await client.query(
      `SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = 'checked'`,
    );
    const values = (rows[0].types as string[]).map((type) => {
      assert.ok(type in SAMPLES, `${name}: no sample of type ${type}`);
      return SAMPLES[type];
    });
    return await use(`EXECUTE checked${values.length === 0 ? '' : `(${values.join()})`}`);
  } finally {
    await client.query('DEALLOCATE checked');
  }
}

test('has a name of its own, under which it is prepared, and stands in a repository', () => {
  assert.ok(statements.length > 30, `${statements.length} found`);
  const names = statements.map(({ name }) => name);
  assert.equal(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  for (const { name, file, text } of statements) {
    if (!/repository\.ts$/.test(file)) assert.not.match(text, /\bFROM\b|\bINTO\b|\bUPDATE\b/, `${name} in ${file}`);
  }
});

test('on a table of tenants finds its rows by the tenant, through an index', async () => {
  await client.query('SET plan_cache_mode = force_generic_plan');
  const seen = new Set<string>();
  for (const each of statements) {
    if (WHOLE_INSTALLATION.includes(each.name)) continue;
    const plan = await prepared(each, async (execute) => {
      const { rows } = await client.query(`EXPLAIN (FORMAT JSON, VERBOSE) ${execute}`);
      return rows[0]['QUERY PLAN'][0].Plan as Plan;
    });
    for (const node of nodesOf(plan)) {
      const table = node['Relation Name']?.replace(/^audit_log_.*/, 'audit_log');
      if (table === undefined || !tenantTables.has(table) || node['Node Type'] === 'ModifyTable') continue;
      if (table === 'tenants' && TENANT_BY_TENANT.includes(each.name)) continue;
      seen.add(table);
      const what = `${each.name}: ${node['Node Type']} of ${table}`;
      assert.not.match(node['Node Type'], /^Seq/, what);
      // In the index condition or, where another index finds the one row sooner, in a filter without an alternative.
      const parts = [node, ...(node.Plans ?? [])];
      const condition = parts
        .map((part) => `${part['Index Cond'] ?? ''} ${part.Filter?.includes(' OR ') ? '' : part.Filter}`)
        .join();
      assert.match(condition, /tenant_id = /, what);
    }
  }
  for (const table of [
    'secrets',
    'secret_versions',
    'tenants',
    'tenant_keys',
    'policies',
    'policy_bindings',
    'policy_versions',
    'idempotency',
    'audit_log',
    'identities',
    'role_grants',
  ]) {
    assert.ok(seen.has(table), `${table} is read by no statement that was looked at`);
  }
});

test('that changes a table of tenants names the tenant first', () => {
  let changes = 0;
  for (const { name, text } of statements) {
    for (const [, verb = '', table = '', rest = ''] of text.matchAll(
      /\b(INSERT INTO|UPDATE|DELETE FROM) (\w+)([^;]*)/g,
    )) {
      if (!tenantTables.has(table) || WHOLE_INSTALLATION.includes(name)) continue;
      changes++;
      const named = verb === 'INSERT INTO' ? /^[\w\s]*\(tenant_id\b/ : /\bWHERE (?:\w+\.)?tenant_id = \$\d/;
      assert.match(rest, named, name);
    }
  }
  assert.ok(changes >= 10, `${changes} looked at`);
});

test('that may be sent a second time changes nothing', async () => {
  let reads = 0;
  for (const each of statements) {
    if (!each.readOnly || IDEMPOTENT.includes(each.name)) continue;
    reads++;
    await prepared(each, async (execute) => {
      await client.query('BEGIN READ ONLY');
      try {
        await client.query(execute);
      } catch (error) {
        assert.unreachable(`${each.name}: ${error}`);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  }
  assert.ok(reads > 15, `${reads} looked at`);
  for (const text of [
    'SELECT 1 FOR UPDATE',
    'SELECT 1\n for  share',
    'WITH x AS (DELETE FROM t) SELECT 1',
    'INSERT INTO t SELECT 1',
  ]) {
    const { statement } = await import('../../src/postgres/database.ts');
    assert.is(statement('x', text).readOnly, false, text);
  }
});

test.run();
