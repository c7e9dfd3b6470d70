import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { ensureKeyFile, openLocal } from '../../src/kms/local.ts';
import { openKms } from '../../src/kms/open.ts';
import { KmsError, type KmsErrorKind } from '../../src/kms/provider.ts';
import { suite } from '../support/suite.ts';

const run = promisify(execFile);
const test = suite('the key file of the local provider');
const CONTEXT = { installationId: 'ins_a', rootKeyId: 'rk_a', version: 1 };
const BLOCK = Buffer.from('what a root block would be');
const GOOD = `${Buffer.alloc(32, 7).toString('base64')}\n`;
let directory: string;
let file: string;

test.beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scaivault-kms-'));
  file = join(directory, 'kms.key');
});
test.afterEach(() => rm(directory, { recursive: true }));

async function failure(work: Promise<unknown>): Promise<KmsError> {
  const outcome = await work.catch((error: unknown) => error);
  assert.instance(outcome, KmsError);
  return outcome as KmsError;
}

async function refused(kind: KmsErrorKind, message: RegExp, hint: RegExp): Promise<void> {
  const error = await failure(openLocal(file).describe());
  assert.is(error.kind, kind);
  assert.match(error.message, message);
  assert.match(error.hint, hint);
}

test('wraps and unwraps', async () => {
  await writeFile(file, GOOD, { mode: 0o600 });
  const kms = openLocal(file);
  const { ciphertext, keyRef } = await kms.wrap(BLOCK, CONTEXT);
  assert.match(keyRef, /^local:[0-9a-f]{16}$/);
  assert.equal(await kms.unwrap(ciphertext, CONTEXT, keyRef), BLOCK);
  assert.is((await kms.describe()).keyRef, keyRef);
  assert.not.ok(ciphertext.includes(BLOCK));
});

test('a wrap opens for its own installation, root key and version only', async () => {
  await writeFile(file, GOOD, { mode: 0o600 });
  const kms = openLocal(file);
  const { ciphertext, keyRef } = await kms.wrap(BLOCK, CONTEXT);
  const others = [{ installationId: 'ins_b' }, { rootKeyId: 'rk_b' }, { version: 2 }];
  for (const other of others) {
    assert.is((await failure(kms.unwrap(ciphertext, { ...CONTEXT, ...other }, keyRef))).kind, 'bad_ciphertext');
  }
  for (let at = 0; at < ciphertext.length; at++) {
    const altered = Buffer.from(ciphertext);
    altered[at]! ^= 1;
    assert.is((await failure(kms.unwrap(altered, CONTEXT, keyRef))).kind, 'bad_ciphertext');
  }
  assert.is((await failure(kms.unwrap(Buffer.alloc(0), CONTEXT, keyRef))).kind, 'bad_ciphertext');
});

test('a wrap by another key file names the expected and the found fingerprint, and the fix', async () => {
  await writeFile(file, GOOD, { mode: 0o600 });
  const kms = openLocal(file);
  const { ciphertext, keyRef } = await kms.wrap(BLOCK, CONTEXT);
  await writeFile(file, `${Buffer.alloc(32, 8).toString('base64')}\n`);
  const found = (await kms.describe()).keyRef;
  const error = await failure(kms.unwrap(ciphertext, CONTEXT, keyRef));
  assert.is(error.kind, 'bad_ciphertext');
  assert.match(error.message, `expected fingerprint ${keyRef.slice(6)}, found ${found.slice(6)}`);
  assert.match(error.hint, 'KMS_LOCAL_KEY_FILE');
});

test('a missing file names the line that makes one, and the line works', async () => {
  const error = await failure(openLocal(file).describe());
  assert.is(error.kind, 'key_state');
  assert.match(error.message, file);
  const line = error.hint.slice(error.hint.indexOf('('));
  await run('sh', ['-c', line]);
  assert.match((await openLocal(file).describe()).keyRef, 'local:');
});

test('the line to type survives a path with a space and a quote', async () => {
  file = join(directory, "it's a key");
  const { hint } = await failure(openLocal(file).describe());
  await run('sh', ['-c', hint.slice(hint.indexOf('('))]);
  assert.match((await openLocal(file).describe()).keyRef, 'local:');
});

test('a file that others may read or write is refused with the chmod to type', async () => {
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666]) {
    await writeFile(file, GOOD);
    await chmod(file, mode);
    await refused('key_state', new RegExp(`mode 0${mode.toString(8)}`), new RegExp(`chmod 600 ${file}`));
  }
  await chmod(file, 0o400);
  assert.match((await openLocal(file).describe()).keyRef, 'local:');
});

test('white space at the end is ignored', async () => {
  for (const end of ['', '\n', '\r\n', ' \t\n\n']) {
    await writeFile(file, GOOD.trimEnd() + end, { mode: 0o600 });
    assert.match((await openLocal(file).describe()).keyRef, 'local:');
  }
});

test('anything but one line of base64 of 32 bytes is refused with the line that makes it', async () => {
  const key = Buffer.alloc(32, 0xfb);
  const contents: Record<string, string> = {
    empty: '',
    'raw bytes': key.toString('latin1'),
    hexadecimal: key.toString('hex'),
    'url alphabet': key.toString('base64url'),
    'no padding': key.toString('base64').slice(0, -1),
    '31 bytes': key.subarray(1).toString('base64'),
    '33 bytes': Buffer.alloc(33, 1).toString('base64'),
    'two lines': `${key.toString('base64')}\n${key.toString('base64')}\n`,
    'space before': ` ${key.toString('base64')}`,
    'byte order mark': `\ufeff${key.toString('base64')}`,
    'another spelling of the last digit': `${Buffer.alloc(32).toString('base64').slice(0, 42)}B=`,
    'very long': GOOD + ' '.repeat(5000),
  };
  for (const [what, content] of Object.entries(contents)) {
    await writeFile(file, content, { mode: 0o600 });
    const error = await failure(openLocal(file).describe());
    assert.is(error.kind, 'key_state', what);
    assert.match(error.hint, `head -c 32 /dev/urandom | base64 > ${file}`);
    if (content.length > 8) assert.not.match(error.message + error.hint, content.slice(0, 8));
  }
});

test('a directory and a pipe are refused, without waiting', async () => {
  await mkdir(file);
  await refused('key_state', /not a regular file/, /regular file/);
  await rm(file, { recursive: true });
  await run('mkfifo', ['-m', '600', file]);
  await refused('key_state', /not a regular file/, /regular file/);
});

test('a link to a good file is good, as orchestrators mount them', async () => {
  await writeFile(join(directory, 'real'), GOOD, { mode: 0o600 });
  await symlink('real', file);
  assert.match((await openLocal(file).describe()).keyRef, 'local:');
});

test('a file that is taken away is noticed at the next call', async () => {
  await writeFile(file, GOOD, { mode: 0o600 });
  const kms = openLocal(file);
  const { ciphertext, keyRef } = await kms.wrap(BLOCK, CONTEXT);
  await rm(file);
  assert.is((await failure(kms.unwrap(ciphertext, CONTEXT, keyRef))).kind, 'key_state');
});

test('the development server makes the file once, for its owner only', async () => {
  assert.is(await ensureKeyFile(file), true);
  assert.is((await stat(file)).mode & 0o777, 0o600);
  const content = await readFile(file, 'utf8');
  assert.match(content, /^[A-Za-z0-9+/]{43}=\n$/);
  assert.is(await ensureKeyFile(file), false);
  assert.is(await readFile(file, 'utf8'), content);
});

test('where the file cannot be made, the message says why', async () => {
  const error = await failure(ensureKeyFile(join(directory, 'none', 'kms.key')));
  assert.match(error.message, 'ENOENT');
});

test('the provider is chosen by configuration', async () => {
  await writeFile(file, GOOD, { mode: 0o600 });
  const config = { KMS_PROVIDER: 'local', KMS_LOCAL_KEY_FILE: file, KMS_TIMEOUT: 5000 };
  const kms = await openKms(config);
  assert.is(kms.name, 'local');
  const { ciphertext, keyRef } = await kms.wrap(BLOCK, CONTEXT);
  assert.equal(await kms.unwrap(ciphertext, CONTEXT, keyRef), BLOCK);
  await kms.close();
  assert.match((await failure(openKms({ ...config, KMS_PROVIDER: 'constructor' }))).hint, 'local');
  assert.match((await failure(openKms({ ...config, KMS_LOCAL_KEY_FILE: undefined }))).message, 'KMS_LOCAL_KEY_FILE');
});

test.run();
