import { cp } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { quoted } from '../../src/postgres/app-role.ts';
import { type Finished, run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';
import { type RoleHouse, roleHouse } from './app-roles.ts';
import { type Directory, migrationDirectory, tableNames } from './fixtures.ts';

const test = suite('scaivault migrate --app-role');
let house: RoleHouse;

test.beforeEach(async () => {
  house = await roleHouse();
});
test.afterEach(() => house.remove());

const migrate = (...flags: string[]) => run(['migrate', ...flags], { DATABASE_URL: house.url });
const said = ({ stdout, stderr }: Finished) => stdout + stderr;
const may = async (role: string, right: string, table: string) =>
  (await house.sql('SELECT has_table_privilege($1, $2, $3) AS may', [role, table, right]))[0]?.may;
const grants = () =>
  house.sql(`SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`);

/** The migrations of this release, and room for more. */
async function withLater(folder: string, sql: string): Promise<Directory> {
  const directory = await migrationDirectory({});
  await cp(migrationsDirectory(), directory.path, { recursive: true });
  await directory.put(folder, sql);
  return directory;
}

test('migrates, grants, and does the same again without a difference', async () => {
  const role = await house.role();
  const first = await migrate('--app-role', role, '--json');
  assert.is(first.code, 0, said(first));
  const document = JSON.parse(first.stdout);
  assert.equal([document.app_role, document.excess, document.status], [role, [], 'passed']);
  assert.ok(document.applied.length > 0);
  const granted = await grants();
  const second = await migrate('--app-role', role);
  assert.is(second.code, 0, said(second));
  assert.equal(await grants(), granted);
  assert.equal(await house.sql('SELECT role FROM app_roles'), [{ role }]);
});

test('takes a role of any spelling for a name and nothing else', async () => {
  await house.migrate();
  for (const name of [`x"; DROP TABLE secrets; --`, `it's $1 %I \\`, 'Ünïcode role', 'SELECT', 'x'.repeat(63)]) {
    const unique = name.length < 63 ? `${name}${Date.now() % 100_000}` : name;
    await house.role(unique);
    await house.name(unique);
    assert.is(await may(unique, 'INSERT', 'audit_log'), true, name);
    assert.is(await may(unique, 'DELETE', 'audit_log'), false, name);
  }
  assert.ok((await tableNames(house.url)).includes('secrets'));
});

test('refuses who is no role, before anything is changed', async () => {
  const long = await house.role('y'.repeat(63));
  // Cut to what PostgreSQL keeps of a name this would be the role above; and "public" would be everybody.
  for (const name of [`${long}y`, 'no_such_role', 'public', 'PUBLIC', 'current_user', '"', 'x; DROP TABLE secrets']) {
    const refused = await migrate('--app-role', name, '--json');
    assert.is(refused.code, 78, name);
    const { error } = JSON.parse(refused.stdout);
    assert.is(error.code, 'app_role_refused');
    assert.match(error.message, `There is no role ${quoted(name)}`);
    assert.match(error.hint, `CREATE ROLE ${quoted(name)}`);
  }
  assert.equal(await tableNames(house.url), []);
});

test('refuses a role to which grants mean nothing', async () => {
  await house.migrate();
  const [{ current }] = (await house.sql('SELECT current_user AS current')) as [{ current: string }];
  const member = await house.role();
  await house.sql(`GRANT ${quoted(current)} TO ${quoted(member)}`);
  for (const [name, why] of [
    [current, /superuser/],
    [member, /may act as its owner/],
    ['pg_monitor', /PostgreSQL's own/],
  ] as const) {
    const refused = await migrate('--app-role', name);
    assert.is(refused.code, 78, name);
    assert.match(refused.stderr, why);
  }
  assert.equal(await house.sql('SELECT role FROM app_roles'), []);
});

test('is no way of looking, and no empty name', async () => {
  for (const flags of [
    ['--status', '--app-role', 'x'],
    ['--dry-run', '--app-role', 'x'],
    ['--app-role', ''],
  ]) {
    assert.is((await migrate(...flags)).code, 64, flags.join(' '));
  }
});

test('takes away what was granted by hand before, also in advance', async () => {
  const role = await house.role();
  await house.migrate();
  await house.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  await house.sql(`GRANT ALL ON SCHEMA public TO ${role}`);
  await house.sql(`ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO ${role}`);
  await house.sql(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${role}`);
  assert.equal(await house.name(role), []);
  await house.sql('SELECT audit_ensure_partitions(14)');
  for (const { name } of await house.sql(`SELECT relname AS name FROM pg_class WHERE relname ~ '^audit_log_2'`)) {
    assert.is(await may(role, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE', String(name)), false, String(name));
  }
});

test('warns of what the role may do all the same, and where from', async () => {
  const role = await house.role();
  await house.migrate();
  await house.sql('GRANT UPDATE ON audit_log TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
  const warned = await migrate('--app-role', role, '--json');
  assert.is(warned.code, 0, said(warned));
  const document = JSON.parse(warned.stdout);
  assert.equal(document.excess, ['CREATE in schema public', 'UPDATE on audit_log']);
  assert.is(document.status, 'warnings');
  assert.match(warned.stderr, /Warning: the role .* through PUBLIC/);
});

test('is remembered: what a later migration makes is granted with it', async () => {
  const role = await house.role();
  await house.migrate();
  await house.name(role);
  const later = await withLater(
    '00003_later',
    'DROP TABLE idempotency; CREATE TABLE idempotency (id integer); CREATE TABLE unlisted (id integer);',
  );
  await house.migrate(later.path);
  await later.remove();
  assert.is(await may(role, 'DELETE', 'idempotency'), true);
  assert.is(await may(role, 'TRUNCATE', 'idempotency'), false);
  assert.is(await may(role, 'SELECT', 'unlisted'), false);
});

test('is skipped, and that is said, once the role is gone or owns everything', async () => {
  const [gone, risen] = [await house.role(), await house.role()];
  await house.migrate();
  await house.name(gone);
  await house.name(risen);
  await house.sql(`DROP OWNED BY ${gone}`);
  await house.sql(`DROP ROLE ${gone}`);
  await house.sql(`ALTER ROLE ${risen} SUPERUSER`);
  const later = await withLater('00003_later', 'CREATE TABLE later ();');
  const reasons: string[] = [];
  await house.migrate(later.path, (reason) => void reasons.push(reason));
  await later.remove();
  assert.is(reasons.length, 2);
  assert.ok(reasons.some((reason) => reason.includes(`no role "${gone}"`)));
  assert.ok(reasons.some((reason) => reason.includes(`"${risen}" is a superuser`)));
  assert.ok((await tableNames(house.url)).includes('later'));
});

test('given by one who does not own the tables says so', async () => {
  const [role, stranger] = [await house.role(), await house.role()];
  await house.migrate();
  const refused = await run(['migrate', '--app-role', role], { DATABASE_URL: house.as(stranger) });
  assert.is(refused.code, 78, said(refused));
  assert.match(refused.stderr, /DATABASE_MIGRATE_URL/);
});

test('works in a schema of its own', async () => {
  await house.sql('CREATE SCHEMA "The Vault"');
  const role = await house.role();
  const url = `${house.url}?options=${encodeURIComponent('-csearch_path="The\\ Vault"')}`;
  const done = await run(['migrate', '--app-role', role], { DATABASE_URL: url });
  assert.is(done.code, 0, said(done));
  assert.is(await may(role, 'INSERT', '"The Vault".audit_log'), true);
  const [usage] = await house.sql(`SELECT has_schema_privilege($1, 'The Vault', 'USAGE') AS may`, [role]);
  assert.is(usage?.may, true);
});

test.run();
