/** The key file of the `local` provider: one line, standard base64 of 32 bytes, readable by its owner only. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KEY_BYTES, type RandomSource, systemRandom } from './primitives.ts';
import { KmsError, type KmsErrorKind } from './provider.ts';

// Far more than the 44 characters and some white space that may stand there.
const MAX_FILE_BYTES = 1024;
const CONTENT = /^[A-Za-z0-9+/]{43}=[ \t\r\n]*$/;

/** Reads the key, which the caller zero-fills. @throws KmsError that names the file and the line to type */
export async function readKeyFile(file: string): Promise<Buffer> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK the opening of a pipe would wait for a writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw cannotRead(file, error);
  }
  try {
    checkFile(file, await handle.stat());
    const content = Buffer.alloc(MAX_FILE_BYTES + 1);
    const { bytesRead } = await handle.read(content, 0, content.length, 0);
    const key = parse(content.subarray(0, bytesRead));
    content.fill(0);
    if (key === null) throw malformed(file);
    return key;
  } catch (error) {
    throw error instanceof KmsError ? error : cannotRead(file, error);
  } finally {
    await handle.close();
  }
}

/** Makes the key file when there is none; tells whether it did. An existing file is never touched. */
export async function ensureKeyFile(file: string, random: RandomSource = systemRandom): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new KmsError(
      'denied',
      `the key file ${file} cannot be made: ${codeOf(error)}`,
      'Check that its directory exists and that this user may write there.',
      error,
    );
  }
  try {
    await handle.writeFile(`${random(KEY_BYTES).toString('base64')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return true;
}

function checkFile(file: string, stats: Stats): void {
  if (!stats.isFile()) {
    const hint = `Point KMS_LOCAL_KEY_FILE at a regular file. ${howToMake(file)}`;
    throw new KmsError('key_state', `the key file ${file} is not a regular file`, hint);
  }
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    throw new KmsError(
      'key_state',
      `the key file ${file} has mode ${mode}, so others than its owner can use it`,
      `Type: chmod 600 ${shellWord(file)}`,
    );
  }
}

/** The key, or null where the content is not exactly one. */
function parse(content: Buffer): Buffer | null {
  if (content.length > MAX_FILE_BYTES) return null;
  const text = content.toString('latin1');
  if (!CONTENT.test(text)) return null;
  const key = Buffer.from(text, 'base64');
  // The last digit has two bits to spare: one key has one spelling.
  if (key.toString('base64') !== text.trimEnd()) return null;
  return key;
}

function malformed(file: string): KmsError {
  return new KmsError(
    'key_state',
    `the key file ${file} does not hold one line with the base64 form of 32 bytes`,
    `Put the right file back. For a new installation only: head -c 32 /dev/urandom | base64 > ${shellWord(file)}`,
  );
}

const KIND_BY_CODE: Readonly<Record<string, KmsErrorKind>> = {
  ENOENT: 'key_state',
  ENOTDIR: 'key_state',
  EACCES: 'denied',
  EPERM: 'denied',
};

function cannotRead(file: string, error: unknown): KmsError {
  const code = codeOf(error);
  const kind = KIND_BY_CODE[code] ?? 'unreachable';
  if (kind === 'key_state') return new KmsError(kind, `there is no key file ${file}`, howToMake(file), error);
  const hint =
    kind === 'denied'
      ? `Make this process its owner, or point KMS_LOCAL_KEY_FILE elsewhere. See: ls -l ${shellWord(file)}`
      : 'Look after the file system that it lies on.';
  return new KmsError(kind, `the key file ${file} cannot be read: ${code}`, hint, error);
}

function howToMake(file: string): string {
  // Subshell with a umask: between the shell's open and a later chmod the file would be readable by others.
  return (
    'Put the file back. For a new installation only: ' +
    `(umask 077; head -c 32 /dev/urandom | base64 > ${shellWord(file)})`
  );
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown error';
}

/** A path as it may be pasted into a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
