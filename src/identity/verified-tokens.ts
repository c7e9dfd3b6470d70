import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { tokenDigest } from './token.ts';
import type { TokenHolder } from './types.ts';

const MAX_TOKENS = 10_000;
const REMEMBERED_FOR_MS = 60_000;

export interface VerifiedTokens {
  get(token: string): TokenHolder | null;
  set(token: string, holder: TokenHolder): void;
}

/** Who holds the tokens verified within the last minute, by the SHA-256 of the token: never by its text. */
export function verifiedTokens(clock: Clock): VerifiedTokens {
  const cache = new LRUCache<string, { readonly holder: TokenHolder; readonly since: number }>({ max: MAX_TOKENS });
  return {
    get: (token) => {
      const digest = tokenDigest(token);
      const entry = cache.get(digest);
      if (entry === undefined) return null;
      const now = clock.nowMs();
      const isFresh = now >= entry.since && now < entry.since + REMEMBERED_FOR_MS && now < entry.holder.expiresAt;
      if (!isFresh) cache.delete(digest);
      return isFresh ? entry.holder : null;
    },
    set: (token, holder) => void cache.set(tokenDigest(token), { holder, since: clock.nowMs() }),
  };
}
