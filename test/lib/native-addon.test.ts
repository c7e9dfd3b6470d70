/** Machine code that is in no file. Each attempt is a process of its own, since a loaded addon stays. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { hasPackageFile, packageFilePath } from '../../src/lib/assets.ts';
import { suite } from '../support/suite.ts';

const test = suite('native addon');
const MODULE = new URL('../../src/lib/native-addon.ts', import.meta.url).href;
const ADDON = packageFilePath('pkcs11.node');
let directory: string;

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scaivault-addon-'));
});
test.after(() => rm(directory, { recursive: true }));

/** Loads `bytes` (an expression) through `directories`; says what came of it. */
function load(bytes: string, directories: readonly string[]): string {
  const script = `
    const { openFromMemory } = await import('${MODULE}');
    const { readFileSync } = await import('node:fs');
    try {
      const addon = openFromMemory(${bytes}, ${JSON.stringify(directories)});
      console.log('loaded', typeof addon.PKCS11);
    } catch (error) {
      console.log(error.name, error.message, '|', error.hint);
    }`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout;
}

const withAddon = hasPackageFile('pkcs11.node');

test('it is loaded from memory, and leaves nothing behind', async () => {
  // Where there is no C++ compiler there is no addon, and `--version --json` says so.
  if (!withAddon) return;
  assert.is(load(`readFileSync(${JSON.stringify(ADDON)})`, [directory]), 'loaded function\n');
  assert.equal(await readdir(directory), []);
});

test('the first directory that will do is taken', async () => {
  if (!withAddon) return;
  // Neither a directory that is missing nor a file system without files stops it.
  const directories = ['/no/such/directory', '/proc', directory];
  assert.is(load(`readFileSync(${JSON.stringify(ADDON)})`, directories), 'loaded function\n');
});

test('where none will do, each is named with its reason, and what to do', async () => {
  const said = load('Buffer.from("no machine code")', [directory, '/no/such/directory']);
  assert.match(said, /^AddonUnusable An addon cannot be loaded from /);
  assert.match(said, `${directory}: /proc/self/fd/`);
  assert.match(said, '/no/such/directory: ENOENT');
  assert.match(said, 'Mount a file system that allows execution');
  assert.equal(await readdir(directory), []);
});

test.run();
