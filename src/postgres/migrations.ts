import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One migration as this executable carries it: a folder `NNNNN_name/index.sql`. */
export interface Migration {
  readonly id: number;
  readonly name: string;
  readonly folder: string;
  /** SHA-256 of `index.sql`, hex: an applied migration that changed afterwards is noticed. */
  readonly checksum: string;
  /** The oldest release that can still run on the schema after it, from its line `-- serves: X.Y.Z`. */
  readonly serves: string;
}

const FOLDER = /^(\d{5})_([a-z0-9-]+)$/;
const SERVES = /^-- serves: (\d+\.\d+\.\d+)$/m;

async function readMigration(directory: string, folder: string, position: number): Promise<Migration> {
  const [, digits, name] = FOLDER.exec(folder) ?? [];
  const sql = await readFile(join(directory, folder, 'index.sql'), 'utf8');
  const serves = SERVES.exec(sql)?.[1];
  if (Number(digits) !== position || name === undefined) {
    throw new Error(`migration ${folder}: expected number ${String(position).padStart(5, '0')}`);
  }
  if (serves === undefined) throw new Error(`migration ${folder}: the line "-- serves: X.Y.Z" is missing`);
  return { id: position, name, folder, checksum: createHash('sha256').update(sql).digest('hex'), serves };
}

/** The text of a migration. */
export function readSql(directory: string, migration: Migration): Promise<string> {
  return readFile(join(directory, migration.folder, 'index.sql'), 'utf8');
}

/** The migrations of a directory, in order. @throws Error when the numbers have a gap or a file lacks its header */
export async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const folders = (await readdir(directory)).filter((entry) => FOLDER.test(entry)).sort();
  return Promise.all(folders.map((folder, index) => readMigration(directory, folder, index + 1)));
}
