import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { getAssetKeys, getRawAsset, isSea } from 'node:sea';

// The build defines this; run from the sources it does not exist.
declare const SCAIVAULT_BUNDLED: boolean | undefined;

const bundled = typeof SCAIVAULT_BUNDLED !== 'undefined';
// The bundle lies in `dist/assets/` itself, this file two floors below the repository's root.
const root = bundled ? import.meta.dirname : resolve(import.meta.dirname, '../..');

/** What runs: the repository, `dist/scaivault.js` with its directory, or the one file `dist/scaivault`. */
export const PACKAGING = isSea() ? 'executable' : bundled ? 'bundle' : 'sources';

/** Files of packages that are read at run time: their names among the assets, and where the build finds them. */
export const PACKAGE_FILES = {
  'pglite/pglite.wasm': 'node_modules/@electric-sql/pglite/dist/pglite.wasm',
  'pglite/pglite.data': 'node_modules/@electric-sql/pglite/dist/pglite.data',
  'pglite/initdb.wasm': 'node_modules/@electric-sql/pglite/dist/initdb.wasm',
  // Compiled where the packages are installed; missing where that could not be done.
  'pkcs11.node': 'node_modules/pkcs11js/build/Release/pkcs11.node',
} as const;
export type PackageFile = keyof typeof PACKAGE_FILES;

const MIGRATIONS = 'migrations';

/** The temporary directory cannot be written. */
class TemporaryUnusable extends Error {
  // For an operator it is one more directory that cannot be used.
  override readonly name = 'DirectoryUnusable';
  readonly hint = 'Make it writable (in a container with a read-only root: mount a volume there), or set TMPDIR.';
}

/** Path of a file, or null in the executable, which has no files. */
export function packageFilePath(name: PackageFile): string | null {
  if (PACKAGING === 'executable') return null;
  return join(root, bundled ? name : PACKAGE_FILES[name]);
}

export function hasPackageFile(name: PackageFile): boolean {
  const path = packageFilePath(name);
  return path === null ? getAssetKeys().includes(name) : existsSync(path);
}

/** In the executable: the bytes of an asset. They are its own memory, never to be written to. */
export function embeddedBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(getRawAsset(name));
}

/** The bytes of a file, never to be written to. */
export async function readPackageFile(name: PackageFile): Promise<Uint8Array<ArrayBuffer>> {
  const path = packageFilePath(name);
  return path === null ? embeddedBytes(name) : readFile(path);
}

let unpacked: string | null = null;

/**
 * Directory of the migrations, each a folder `NNNNN_name/index.sql`. The executable unpacks them at the first call,
 * into a directory for nobody else; it is gone after `discardUnpacked`, at the latest when the process ends.
 *
 * @throws TemporaryUnusable
 */
export function migrationsDirectory(): string {
  if (PACKAGING !== 'executable') return join(root, MIGRATIONS);
  unpacked ??= unpack(MIGRATIONS);
  return join(unpacked, MIGRATIONS);
}

export function discardUnpacked(): void {
  if (unpacked === null) return;
  rmSync(unpacked, { recursive: true, force: true });
  unpacked = null;
  process.off('exit', discardUnpacked);
}

function unpack(folder: string): string {
  try {
    // Mode 0700, under a name that nobody could foresee.
    const directory = mkdtempSync(join(tmpdir(), 'scaivault-'));
    process.on('exit', discardUnpacked);
    for (const key of getAssetKeys().filter((name) => name.startsWith(`${folder}/`))) {
      mkdirSync(dirname(join(directory, key)), { recursive: true });
      writeFileSync(join(directory, key), embeddedBytes(key), { mode: 0o600, flag: 'wx' });
    }
    return directory;
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? error.code : error;
    throw new TemporaryUnusable(`${tmpdir()} cannot be used for temporary files (${why})`, { cause: error });
  }
}
