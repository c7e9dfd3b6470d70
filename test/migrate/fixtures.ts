import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { Secret } from '../../src/lib/secret.ts';
import type { MigrationSession } from '../../src/postgres/migration-session.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';

export const RELEASE = '1.2.3';

export interface Directory {
  readonly path: string;
  /** Adds a migration, or replaces it. */
  put(folder: string, sql: string): Promise<void>;
  remove(): Promise<void>;
}

/** A directory with these migrations: folder to SQL, `-- serves: 1.0.0` put before it. */
export async function migrationDirectory(migrations: Readonly<Record<string, string>>): Promise<Directory> {
  const path = await mkdtemp(join(process.env.TEST_TEMP_DIR ?? tmpdir(), 'migrations-'));
  const put = async (folder: string, sql: string) => {
    await mkdir(join(path, folder), { recursive: true });
    await writeFile(join(path, folder, 'index.sql'), sql.startsWith('!') ? sql.slice(1) : `-- serves: 1.0.0\n${sql}\n`);
  };
  for (const [folder, sql] of Object.entries(migrations)) await put(folder, sql);
  return { path, put, remove: () => rm(path, { recursive: true }) };
}

export function openSession(url: string): Promise<MigrationSession> {
  return openMigrationSession(new Secret(url));
}

/** Works with a migration session and closes it. */
export async function withSession<T>(url: string, work: (session: MigrationSession) => Promise<T>): Promise<T> {
  const session = await openSession(url);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** Works with a plain connection, as an administrator would. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function tableNames(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`);
    return rows.map((row) => row.tablename as string);
  });
}
