import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
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

/** Builds in a directory of its own; returns the digest of every file of `dist/`. */
async function build(name: string): Promise<Record<string, string>> {
  const directory = await mkdtemp(join(tmpdir(), name));
  try {
    for (const entry of BUILT_FROM.filter((path) => existsSync(join(ROOT, path)))) {
      await cp(join(ROOT, entry), join(directory, entry), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    execFileSync(process.execPath, ['scripts/build/build.ts'], { cwd: directory, stdio: 'inherit' });
    return await digests(join(directory, 'dist'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function digests(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = files.map(async (file) => {
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return [relative(directory, file), digest] as const;
  });
  return Object.fromEntries(await Promise.all(pairs));
}

const test = suite('build', { timeoutMs: 120_000 });

test('two builds in different directories are the same byte for byte', async () => {
  const first = await build('scaivault-build-');
  const second = await build('scaivault-another-name-');
  assert.ok('scaivault.js' in first && 'assets/main.js' in first);
  assert.equal(second, first);
});

test.run();
