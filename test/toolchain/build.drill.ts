import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BUILT_FROM = [
  'bin',
  'commands',
  'src',
  'migrations',
  'scripts',
  'package.json',
  'tsconfig.json',
  'tsup.config.ts',
];

interface Built {
  /** Digest of every file of `dist/`. */
  readonly digests: Readonly<Record<string, string>>;
  readonly sums: string;
  /** Whether the name of the directory stands in an artefact. */
  readonly namesItsDirectory: boolean;
}

/** Builds both artefacts in a directory of its own, which is called `path`. */
async function build(path: string): Promise<Built> {
  const parent = await mkdtemp(join(tmpdir(), 'scaivault-build-'));
  const directory = join(parent, path);
  try {
    await mkdir(directory, { recursive: true });
    for (const entry of BUILT_FROM.filter((name) => existsSync(join(ROOT, name)))) {
      await cp(join(ROOT, entry), join(directory, entry), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    for (const script of ['build.ts', 'executable.ts']) {
      execFileSync(process.execPath, [join('scripts/build', script)], { cwd: directory, stdio: 'inherit' });
    }
    const files = await filesOf(join(directory, 'dist'));
    const digests = Object.fromEntries(await Promise.all(files.map((file) => digest(join(directory, 'dist'), file))));
    const named = await Promise.all(files.map(async (file) => (await readFile(file)).includes(parent)));
    const sums = await readFile(join(directory, 'dist/SHA256SUMS'), 'utf8');
    return { digests, sums, namesItsDirectory: named.includes(true) };
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function digest(directory: string, file: string): Promise<readonly [string, string]> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return [relative(directory, file), hash.digest('hex')];
}

const test = suite('build', { timeoutMs: 240_000 });

test('two builds in different directories are the same byte for byte, and the sums are right', async () => {
  const first = await build('one');
  const second = await build('of/another depth');
  assert.ok('scaivault' in first.digests && 'scaivault.js' in first.digests && 'assets/main.js' in first.digests);
  assert.equal(second.digests, first.digests);
  assert.not.ok(first.namesItsDirectory);
  const { SHA256SUMS, 'package.json': _, ...summed } = first.digests;
  const listed = first.sums
    .trimEnd()
    .split('\n')
    .map((line) => line.split('  ').reverse());
  assert.equal(Object.fromEntries(listed), summed);
});

test.run();
