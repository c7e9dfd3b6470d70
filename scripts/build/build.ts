/**
 * Makes `dist/`: the launcher `scaivault.js`, and beside it `assets/` with the bundle and the files it reads at run
 * time (`src/lib/assets.ts` says where it looks for them).
 */
import { chmod, copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'tsup';
import { thirdPartyLicenses } from './licenses.ts';

const EMBEDDED_DATABASE = 'node_modules/@electric-sql/pglite/dist';
const EMBEDDED_DATABASE_FILES = ['pglite.wasm', 'pglite.data', 'initdb.wasm'];

process.chdir(resolve(import.meta.dirname, '../..'));
await rm('dist', { recursive: true, force: true });
await build({});
await writeLicenses('dist/assets/metafile-cjs.json');
await cp('migrations', 'dist/assets/migrations', { recursive: true });
await mkdir('dist/assets/pglite');
for (const file of EMBEDDED_DATABASE_FILES) {
  await copyFile(join(EMBEDDED_DATABASE, file), join('dist/assets/pglite', file));
}
await writeFile('dist/package.json', `${JSON.stringify({ type: 'commonjs' })}\n`);
// The launcher comes last: where it is, the build is whole.
await copyFile('scripts/build/launcher.cjs', 'dist/scaivault.js');
await chmod('dist/scaivault.js', 0o755);

async function writeLicenses(metafile: string): Promise<void> {
  const text = await thirdPartyLicenses(JSON.parse(await readFile(metafile, 'utf8')));
  await writeFile('dist/assets/THIRD-PARTY-LICENSES.txt', text);
  await rm(metafile);
}
