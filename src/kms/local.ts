import { ensureKeyFile, readKeyFile } from './key-file.ts';
import {
  decrypt,
  displayFingerprint,
  encrypt,
  fingerprintOf,
  lengthPrefixed,
  type RandomSource,
  systemRandom,
} from './primitives.ts';
import { type KmsContext, KmsError, type KmsProvider } from './provider.ts';

export { ensureKeyFile };

const FORMAT = 0x01;

/**
 * A key file instead of a key management service: for `serve --dev` and tests. A wrap is
 * `0x01 || nonce || ciphertext || tag`. The file is read anew for every call: the key stays in memory only as long as
 * it is used, and a file that is taken away is noticed at the next re-check.
 */
export function openLocal(file: string, random: RandomSource = systemRandom): KmsProvider {
  async function withKey<T>(use: (key: Buffer, keyRef: string) => T): Promise<T> {
    const key = await readKeyFile(file);
    try {
      return use(key, `local:${displayFingerprint(fingerprintOf(key))}`);
    } finally {
      key.fill(0);
    }
  }

  return {
    name: 'local',
    wrap: (plaintext, context) =>
      withKey((key, keyRef) => {
        const box = encrypt(key, associatedData(context), plaintext, random);
        return { ciphertext: Buffer.concat([Buffer.of(FORMAT), box]), keyRef };
      }),
    unwrap: (ciphertext, context, keyRef) =>
      withKey((key, found) => {
        if (found !== keyRef) throw anotherKey(file, keyRef, found);
        if (ciphertext[0] !== FORMAT) {
          throw damaged(
            context,
            'has an unknown format',
            'Use the release of ScaiVault that wrote it, or a newer one.',
          );
        }
        const plaintext = decrypt(key, associatedData(context), ciphertext.subarray(1));
        if (plaintext === null) {
          const hint = 'Restore the tables root_keys, root_key_wraps and installation from one backup.';
          throw damaged(context, 'is not authentic: altered, or made for another installation or root key', hint);
        }
        return plaintext;
      }),
    describe: () => withKey((_, keyRef) => ({ status: 'enabled', keyRef })),
    close: async () => undefined,
  };
}

function associatedData(context: KmsContext): Buffer {
  return lengthPrefixed(['scaivault/1', 'root-key', context.installationId, context.rootKeyId, context.version]);
}

function anotherKey(file: string, expected: string, found: string): KmsError {
  return new KmsError(
    'bad_ciphertext',
    `the key file ${file} holds another key: expected fingerprint ${bare(expected)}, found ${bare(found)}`,
    `Point KMS_LOCAL_KEY_FILE at the file with the key ${bare(expected)}, or put that key back.`,
  );
}

function damaged(context: KmsContext, what: string, hint: string): KmsError {
  const message = `the wrap of root key ${context.rootKeyId} version ${context.version} ${what}`;
  return new KmsError('bad_ciphertext', message, hint);
}

function bare(keyRef: string): string {
  return keyRef.replace(/^local:/, '');
}
