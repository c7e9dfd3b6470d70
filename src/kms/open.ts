import { KmsError, type KmsProvider } from './provider.ts';
import { withRetry } from './retry.ts';

/** The part of the configuration that is read here. */
export interface KmsConfig {
  readonly KMS_PROVIDER: string;
  readonly KMS_LOCAL_KEY_FILE: string | undefined;
  /** Milliseconds. */
  readonly KMS_TIMEOUT: number;
}

// Imported when chosen: a process that uses one service never loads the client of another.
const PROVIDERS: Readonly<Record<string, (config: KmsConfig) => Promise<KmsProvider>>> = {
  local: async (config) => {
    const file = required(config.KMS_LOCAL_KEY_FILE, 'KMS_LOCAL_KEY_FILE=/etc/scaivault/kms.key');
    return (await import('./local.ts')).openLocal(file);
  },
};

/** The configured provider, with time limit and retries. Nothing is contacted yet. @throws KmsError */
export async function openKms(config: KmsConfig): Promise<KmsProvider> {
  const open = Object.hasOwn(PROVIDERS, config.KMS_PROVIDER) ? PROVIDERS[config.KMS_PROVIDER] : undefined;
  if (open === undefined) {
    const known = Object.keys(PROVIDERS).join(', ');
    throw new KmsError(
      'key_state',
      `this build has no key management provider ${config.KMS_PROVIDER}`,
      `Set KMS_PROVIDER to one of: ${known}.`,
    );
  }
  return withRetry(await open(config), { timeoutMs: config.KMS_TIMEOUT });
}

function required(value: string | undefined, example: string): string {
  if (value !== undefined) return value;
  const variable = example.slice(0, example.indexOf('='));
  throw new KmsError('key_state', `${variable} is not set`, `Set it, for example ${example}`);
}
