import { list, matching } from './basic.ts';
import { type Kind, kind } from './kind.ts';

/** All 32 bytes, in lower case. */
export const fingerprint: Kind<string> = kind('64 hexadecimal digits', (value) =>
  /^[0-9a-fA-F]{64}$/.test(value) ? value.toLowerCase() : null,
);

/** X25519 recipients of age (https://age-encryption.org/v1): Bech32 of 32 bytes. */
export const ageRecipients: Kind<readonly string[]> = list(
  matching('an age public key', /^age1[02-9ac-hj-np-z]{58}$/),
  {
    form: 'age public keys, separated by commas or white space',
    separator: /\s*,\s*|\s+/,
  },
);
