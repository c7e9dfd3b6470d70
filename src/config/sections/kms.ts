import { boolean, choice, duration, filePath, integer, matching, secretText, text } from '../kinds/basic.ts';
import { ageRecipients, fingerprint } from '../kinds/keys.ts';
import { webUrl } from '../kinds/network.ts';
import type { Section, Variable } from '../variable.ts';

export const KMS_PROVIDERS = ['aws', 'gcp', 'azure', 'hashicorp', 'pkcs11', 'local'] as const;
export type KmsProviderName = (typeof KMS_PROVIDERS)[number];

/** What each of the two key management services, the primary and the secondary, is told. */
const SERVICE = {
  KMS_KEY_ID: {
    kind: text,
    meaning: '`aws`: ARN, id or alias. An ARN decides its own region.',
    example: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  },
  AWS_REGION: {
    kind: matching('the name of a region', /^[a-z0-9-]{1,40}$/),
    meaning: '`aws`: region of a key that is not given by ARN. The other standard `AWS_*` variables are honoured too.',
    example: 'eu-central-1',
  },
  KMS_ENDPOINT: {
    kind: webUrl,
    meaning: '`aws`, `gcp`: another address of the service.',
    example: 'https://kms.internal',
  },
  KMS_KEY_NAME: {
    kind: matching(
      'projects/P/locations/L/keyRings/R/cryptoKeys/K',
      /^projects\/[^/\s]+\/locations\/[^/\s]+\/keyRings\/[^/\s]+\/cryptoKeys\/[^/\s]+$/,
    ),
    meaning: '`gcp`: the key. Sign-in by application default credentials.',
    example: 'projects/acme/locations/europe-west3/keyRings/scaivault/cryptoKeys/root',
  },
  KMS_KEY_URL: {
    kind: matching(
      'https://NAME.vault.azure.net/keys/KEY[/VERSION]',
      /^https:\/\/[\w.-]+(?::\d+)?\/keys\/[\w-]+(?:\/\w+)?$/,
    ),
    meaning: '`azure`: the key. Sign-in by DefaultAzureCredential.',
    example: 'https://acme.vault.azure.net/keys/scaivault',
  },
  VAULT_ADDR: { kind: webUrl, meaning: '`hashicorp`: the server.', example: 'https://vault.internal:8200' },
  VAULT_TOKEN: {
    kind: secretText,
    secret: true,
    meaning: '`hashicorp`: sign-in by token, instead of `VAULT_ROLE_ID` and `VAULT_SECRET_ID`.',
    example: 'TOKEN',
  },
  VAULT_ROLE_ID: { kind: text, meaning: '`hashicorp`: sign-in by AppRole.', example: 'scaivault' },
  VAULT_SECRET_ID: { kind: secretText, secret: true, meaning: '`hashicorp`: with `VAULT_ROLE_ID`.', example: 'SECRET' },
  VAULT_NAMESPACE: { kind: text, meaning: '`hashicorp`: namespace.', example: 'security' },
  VAULT_CACERT: {
    kind: filePath,
    meaning: '`hashicorp`: PEM authority of the server.',
    example: '/etc/scaivault/vault-ca.crt',
  },
  KMS_TRANSIT_MOUNT: {
    kind: text,
    default: 'transit',
    meaning: '`hashicorp`: mount of the Transit engine.',
    example: 'transit',
  },
  KMS_TRANSIT_KEY: { kind: text, meaning: '`hashicorp`: name of the Transit key.', example: 'scaivault' },
  PKCS11_MODULE: {
    kind: filePath,
    meaning: '`pkcs11`: the library of the module.',
    example: '/usr/lib/softhsm/libsofthsm2.so',
  },
  PKCS11_TOKEN_LABEL: { kind: text, meaning: '`pkcs11`: the token, by its label.', example: 'scaivault' },
  PKCS11_SLOT: { kind: integer(0, 4_294_967_295), meaning: '`pkcs11`: the token, by its slot.', example: '0' },
  PKCS11_PIN: { kind: secretText, secret: true, meaning: '`pkcs11`: PIN of the token.', example: 'PIN' },
  PKCS11_KEY_LABEL: { kind: text, meaning: '`pkcs11`: label of the key.', example: 'scaivault-root' },
  PKCS11_MECHANISM: {
    kind: choice('aes-gcm', 'aes-key-wrap-pad', 'rsa-oaep-sha256', 'rsa-oaep-sha1'),
    default: 'aes-gcm',
    meaning: '`pkcs11`: how the root key is wrapped; `rsa-oaep-sha1` only for tokens that offer no other.',
    example: 'aes-gcm',
  },
  KMS_LOCAL_KEY_FILE: {
    kind: filePath,
    meaning:
      '`local`: a file of mode 0600 or stricter with base64 of 32 bytes, as `head -c 32 /dev/urandom | base64` writes it.',
    example: '/etc/scaivault/root.key',
  },
} as const satisfies Section;

type Primary = typeof SERVICE;
type Secondary = { readonly [Name in keyof Primary & string as `${Name}_SECONDARY`]: Omit<Primary[Name], 'default'> };

/** Unset, they are those of the primary, hence no defaults of their own. */
function secondary(): Secondary {
  const rows = Object.entries(SERVICE).map(([name, { default: _, ...row }]: [string, Variable]) => {
    return [`${name}_SECONDARY`, { ...row, meaning: `\`${name}\` of the secondary.` }];
  });
  return Object.fromEntries(rows) as Secondary;
}

export const KMS = {
  KMS_PROVIDER: {
    kind: choice(...KMS_PROVIDERS),
    requiredBy: ['serve'],
    meaning: 'Who wraps the root key.',
    example: 'local',
  },
  ...SERVICE,
  KMS_ALLOW_LOCAL: {
    kind: boolean,
    default: 'false',
    meaning: '`local` outside `--dev` needs `true`: whoever copies the file and the database has everything.',
    example: 'true',
  },
  KMS_RECHECK_INTERVAL: {
    kind: duration('1s', '24d'),
    default: '5m',
    meaning: 'How often a process asks whether the key may still be used.',
    example: '5m',
  },
  KMS_REVOKED_GRACE: {
    kind: duration('0s', '24d'),
    default: '15m',
    meaning: 'From the first refusal of the key until the process seals itself; `0s` is at once.',
    example: '15m',
  },
  KMS_TIMEOUT: { kind: duration('1s', '10m'), default: '5s', meaning: 'For one call.', example: '5s' },
  ROOT_KEY_FINGERPRINT: {
    kind: fingerprint,
    meaning:
      'The only root key this installation accepts; recommended in production. `serve` prints it at its first start.',
    example: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
  },
  RECOVERY_RECIPIENTS: {
    kind: ageRecipients,
    meaning: 'Offline holders of the root key.',
    example: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
  },
} as const satisfies Section;

/** The secondary, for fail-over: the same variables, or `KMS_PROVIDER_SECONDARY` for another provider. */
export const KMS_SECONDARY = {
  KMS_PROVIDER_SECONDARY: {
    kind: choice(...KMS_PROVIDERS),
    meaning: 'Unset: that of the primary, with another key or region.',
    example: 'gcp',
  },
  ...secondary(),
} as const satisfies Section;
