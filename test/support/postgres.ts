import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { serverUrl } from './environment.ts';

export interface TestDatabase {
  readonly url: string;
  /** Cuts whoever is still connected and removes the database. */
  drop(): Promise<void>;
}

/** A fresh, empty database (UTF-8, C collation) on the given server, by default the one of the test run. */
export async function createDatabase(server: string = serverUrl('TEST_DATABASE_URL')): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(server, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function administer(server: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: server, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
