import { randomBytes } from 'node:crypto';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { VERSION } from '../../src/lib/version.ts';
import { nameAppRole, quoted } from '../../src/postgres/app-role.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createDatabase } from '../support/postgres.ts';
import { withClient, withSession } from './fixtures.ts';

/** A database and the roles of its test, which belong to the whole server and go with it. */
export interface RoleHouse {
  readonly url: string;
  /** Makes a role that may log in, and returns its name: a random one unless told otherwise. */
  role(name?: string): Promise<string>;
  /** The URL of the database as this role. */
  as(role: string): string;
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  migrate(directory?: string, skipped?: (reason: string) => void): Promise<void>;
  /** @returns what the role may do beyond what it needs */
  name(role: string): Promise<readonly string[]>;
  remove(): Promise<void>;
}

const PASSWORD = 'app-role-password';

export async function roleHouse(): Promise<RoleHouse> {
  const database = await createDatabase();
  const roles: string[] = [];
  const sql: RoleHouse['sql'] = (text, values = []) =>
    withClient(database.url, async (client) => (await client.query(text, [...values])).rows);
  return {
    url: database.url,
    sql,
    role: async (name = `app_${randomBytes(6).toString('hex')}`) => {
      await sql(`CREATE ROLE ${quoted(name)} LOGIN PASSWORD '${PASSWORD}'`);
      roles.push(name);
      return name;
    },
    as: (role) => {
      const url = new URL(database.url);
      url.username = encodeURIComponent(role);
      url.password = PASSWORD;
      return url.href;
    },
    migrate: (directory = migrationsDirectory(), skipped = () => {}) =>
      withSession(database.url, async (session) => {
        const progress = { waiting: () => {}, applying: () => {}, roleSkipped: skipped };
        await migrate(session, directory, VERSION, progress);
      }),
    name: (role) => withSession(database.url, (session) => nameAppRole(session, role, () => {})),
    remove: async () => {
      await database.drop();
      await withClient(serverOf(database.url), async (client) => {
        for (const role of roles) await client.query(`DROP ROLE IF EXISTS ${quoted(role)}`);
      });
    },
  };
}

function serverOf(url: string): string {
  const server = new URL(url);
  server.pathname = '/postgres';
  return server.href;
}
