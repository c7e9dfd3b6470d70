import { LRUCache } from 'lru-cache';
import { type Principal, subjectKey } from '../contract/principal.ts';
import type { Database } from '../postgres/database.ts';
import { type SeenIdentity, upsertIdentity } from './repository.ts';
import type { TokenHolder } from './types.ts';

const MAX_REMEMBERED = 10_000;

export interface SeenIdentities {
  /** Notes a subject at its first token, and when its address or name has changed. Else it costs a look-up in memory. */
  note(holder: TokenHolder, principal: Principal): Promise<void>;
}

/**
 * Keeps the subjects that verified tokens have shown, so that a binding can name a person by e-mail address.
 *
 * An address may move to another subject at the provider. Both rows then hold it, and until the old one is seen with
 * another address the name is ambiguous and resolves to nobody: the old holder is never meant by mistake, and a token
 * that the old holder still has cannot win the name back.
 */
export function createSeenIdentities(db: Database): SeenIdentities {
  const remembered = new LRUCache<string, string>({ max: MAX_REMEMBERED });
  // The holder of a remembered token is the same object at each request: nothing of it can have changed.
  const noted = new WeakSet<TokenHolder>();
  return {
    note: async (holder, principal) => {
      if (noted.has(holder)) return;
      const seen: SeenIdentity = {
        subject: principal.subject,
        email: verifiedEmail(holder),
        displayName: principal.displayName,
      };
      const key = subjectKey(seen.subject);
      const state = JSON.stringify([seen.email === undefined, seen.email ?? null, seen.displayName]);
      if (remembered.get(key) !== state) {
        await upsertIdentity(db, seen);
        remembered.set(key, state);
      }
      noted.add(holder);
    },
  };
}

/** An address that the provider does not vouch for is stored as none; a token without the claim says nothing. */
function verifiedEmail({ email, emailVerified }: TokenHolder): string | null | undefined {
  if (email === null) return undefined;
  return emailVerified === true ? email : null;
}
