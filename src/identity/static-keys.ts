import { readKeySet } from './key-set.ts';
import type { KeySource } from './types.ts';

/** The keys of an issuer that lives in this process (`serve --dev`): nothing is fetched. */
export function staticKeys(issuer: string, jwks: unknown): KeySource {
  const keys = readKeySet(jwks);
  return {
    find: async (asked, header) => {
      const key = asked === issuer ? await keys.find(header) : null;
      return key === null ? null : { key, scaiKey: false };
    },
    close: async () => undefined,
  };
}
