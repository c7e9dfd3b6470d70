import { isPathSegment } from '../contract/names.ts';
import { type Subject, subjectKey } from '../contract/principal.ts';
import { hashedSegment } from '../lib/hashed-segment.ts';

/**
 * What `{{identity.key}}` expands to: the subject's own id where it is a legal path segment as it stands, else `h-` and
 * 130 bits of SHA-256 over kind, issuer, tenant and id.
 *
 * An id is never lower-cased into place: `Alice` and `alice` are two subjects and would share one key. Nor may an id
 * look like a hash, or somebody could be called by the key of another. The ids that a tenant's own issuer gives out are
 * always hashed: it could call somebody by the id that the platform's issuer gave to another.
 *
 * @param plainIssuer the platform's issuer.
 */
export function identityKey(subject: Subject, plainIssuer: string): string {
  const { id } = subject;
  if (subject.issuer === plainIssuer && isPathSegment(id) && !id.startsWith('h-')) return id;
  return hashedSegment(subjectKey(subject));
}
