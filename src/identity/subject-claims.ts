import type { IdentityId } from '../contract/names.ts';
import { booleanAt, textAt } from './claim-values.ts';
import { refuseToken } from './refusals.ts';
import type { ClaimPath, Claims, TokenHolder } from './types.ts';

type SubjectClaims = Pick<
  TokenHolder,
  'kind' | 'subjectId' | 'sub' | 'identityId' | 'displayName' | 'email' | 'emailVerified'
>;

const CLIENT_SUFFIX = '@clients';
const MAX_EMAIL = 254;

/** Who the token is about. */
export function readSubject(claims: Claims, emailPath: ClaimPath): SubjectClaims {
  const sub = textAt(claims, ['sub']);
  if (sub === null) throw refuseToken('claim sub is empty');
  const clientId = readClientId(claims, sub);
  const name = textAt(claims, ['name']);
  if (clientId !== null) {
    const identityId = `sa:${clientId}` as IdentityId;
    const displayName = name ?? clientId;
    return { kind: 'service_account', subjectId: clientId, sub, identityId, displayName, ...NO_EMAIL };
  }
  const mail = readEmail(claims, emailPath);
  // An address that the provider calls unverified is anybody's, so nobody is called by it.
  const alias = (mail.emailVerified === false ? null : mail.email) ?? sub;
  const identityId = `user:${alias}` as IdentityId;
  return { kind: 'user', subjectId: sub, sub, identityId, displayName: name ?? alias, ...mail };
}

const NO_EMAIL = { email: null, emailVerified: null } as const;

/**
 * The client id when the token is a service account's, else null. It is one iff `token_type` is `client_credentials`,
 * or `sub` equals `client_id` or `azp`, or `sub` ends in `@clients` (spec 04).
 */
function readClientId(claims: Claims, sub: string): string | null {
  const clientId = textAt(claims, ['client_id']);
  const party = textAt(claims, ['azp']);
  const ownGrant = textAt(claims, ['token_type']) === 'client_credentials';
  if (sub === clientId || sub === party) return sub;
  if (sub.endsWith(CLIENT_SUFFIX) && sub.length > CLIENT_SUFFIX.length) {
    const named = sub.slice(0, -CLIENT_SUFFIX.length);
    const other = [clientId, party].find((id) => id !== null && id !== named);
    if (other !== undefined) throw refuseToken('its "sub" and its client id name two service accounts');
    return named;
  }
  return ownGrant ? (clientId ?? party ?? sub) : null;
}

/**
 * The address, and whether the provider vouches for it. The claim that does is the sibling `..._verified` of the
 * address's own claim: `email_verified` says nothing about a `preferred_username`.
 */
function readEmail(claims: Claims, path: ClaimPath): Pick<TokenHolder, 'email' | 'emailVerified'> {
  const text = textAt(claims, path);
  const emailVerified = booleanAt(claims, [...path.slice(0, -1), `${path.at(-1)}_verified`]);
  return { email: text === null ? null : canonicalEmail(text), emailVerified };
}

/**
 * One spelling for an address: ASCII parts in lower case, a part with other letters in NFC and otherwise literally,
 * since folding those would let two people share one name. Null when the text is no address.
 */
export function canonicalEmail(text: string): string | null {
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1 || text.length > MAX_EMAIL || /\s/.test(text)) return null;
  return `${canonicalPart(text.slice(0, at))}@${canonicalPart(text.slice(at + 1))}`;
}

function canonicalPart(part: string): string {
  return isAscii(part) ? part.toLowerCase() : part.normalize('NFC');
}

export function isAscii(text: string): boolean {
  return /^[\u0021-\u007e]*$/.test(text);
}
