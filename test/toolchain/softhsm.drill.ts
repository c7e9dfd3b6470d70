/** The native addon, inside the executable, with a PKCS#11 library that is not ours. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as assert from 'uvu/assert';
import { install, mayInstall } from '../../scripts/test/servers/debian.ts';
import { hasPackageFile } from '../../src/lib/assets.ts';
import { run } from '../support/scaivault.ts';
import { skip, suite } from '../support/suite.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const EXECUTABLE = join(ROOT, 'dist/scaivault');
const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so';

const test = suite('SoftHSM', { timeoutMs: 240_000 });
let directory: string;

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scaivault-softhsm-'));
});
test.after(() => rm(directory, { recursive: true }));

/** A token in a directory of ours. @returns the environment that leads to it */
async function token(): Promise<Record<string, string>> {
  const tokens = join(directory, 'tokens');
  await mkdir(tokens);
  const env = { PATH: process.env.PATH ?? '', SOFTHSM2_CONF: join(directory, 'softhsm2.conf') };
  await writeFile(
    env.SOFTHSM2_CONF,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const pins = ['--so-pin', '12345678', '--pin', '987654'];
  execFileSync('softhsm2-util', ['--init-token', '--free', '--label', 'scaivault', ...pins], { env });
  return env;
}

async function pkcs11(env: Record<string, string>, library: string) {
  const { stdout, stderr } = await run(['selftest', '--json', '--pkcs11-module', library], env, {
    cwd: directory,
    entry: [EXECUTABLE],
  });
  assert.is(stderr, '');
  const { checks } = JSON.parse(stdout) as { checks: { id: string; status: string; found: string }[] };
  return checks.find(({ id }) => id === 'pkcs11');
}

test('the executable opens a token through the addon that it carries, and leaves no file', async () => {
  execFileSync('make', ['dist/scaivault'], { cwd: ROOT, stdio: 'inherit' });
  if (!hasPackageFile('pkcs11.node')) {
    const missing = await pkcs11({}, LIBRARY);
    assert.equal(missing, { id: 'pkcs11', status: 'fail', found: 'this build has no PKCS#11' });
    return;
  }
  if (!existsSync(LIBRARY)) {
    if (!(await mayInstall())) skip('SoftHSM is not installed, and cannot be here');
    await install('softhsm2');
  }
  const env = await token();
  const opened = await pkcs11({ ...env, TMPDIR: directory }, LIBRARY);
  assert.is(opened?.status, 'pass', opened?.found);
  // SoftHSM shows one slot more than there are tokens, for the next one.
  assert.match(opened?.found ?? '', /^Implementation of PKCS11 \(SoftHSM\), PKCS#11 2\.40, 2 tokens$/);
  const wrong = await pkcs11(env, '/no/such/library.so');
  assert.is(wrong?.status, 'fail');
  assert.match(wrong?.found ?? '', '/no/such/library.so cannot be used');
  assert.equal((await readdir(directory)).sort(), ['softhsm2.conf', 'tokens']);
});

test.run();
