import { join, resolve } from 'node:path';

// The build defines this; run from the sources it does not exist.
declare const SCAIVAULT_BUNDLED: boolean | undefined;

const bundled = typeof SCAIVAULT_BUNDLED !== 'undefined';
// The bundle lies in `dist/assets/` itself, this file two floors below the repository's root.
const root = bundled ? import.meta.dirname : resolve(import.meta.dirname, '../..');

/** Directory of the migrations, each a folder `NNNNN_name/index.sql`. */
export function migrationsDirectory(): string {
  return join(root, 'migrations');
}

/** Directory with `pglite.wasm`, `pglite.data` and `initdb.wasm`, the embedded database of `serve --dev`. */
export function embeddedDatabaseDirectory(): string {
  return bundled ? join(root, 'pglite') : join(root, 'node_modules/@electric-sql/pglite/dist');
}
