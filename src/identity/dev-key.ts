import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'issuer-key.pem';

/**
 * The Ed25519 key of the development issuer: made at the first start and kept in the data directory, so that a token
 * from yesterday still works. @param directory null: kept nowhere.
 * @throws Error when the file can be read by others, or is no such key; the message says what to type
 */
export async function devKey(directory: string | null): Promise<KeyObject> {
  if (directory === null) return generateKeyPairSync('ed25519').privateKey;
  const path = join(directory, FILE);
  const pem = await readPrivate(path);
  return pem === null ? makeKey(path) : parseKey(pem, path);
}

async function readPrivate(path: string): Promise<string | null> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw new Error(`${path} can be read by others. Type: chmod 600 ${path}`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // What the parser says adds nothing to the hint below.
  }
  throw new Error(`${path} is not the key of the development issuer. Type: rm ${path}`);
}

async function makeKey(path: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  // Written beside and renamed, so that a crash leaves no half a key.
  const draft = `${path}.new`;
  await writeFile(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await rename(draft, path);
  return privateKey;
}
