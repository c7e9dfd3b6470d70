import type { Reply } from '../contract/route.ts';

// One element of a list: an entity tag (RFC 9110, section 8.8.3), weak or not, and the commas around it.
const TAG = /[ \t,]*(?:W\/)?("[!#-~\x80-\xff]*")[ \t]*(?:,|$)/y;

/**
 * Whether an `If-None-Match` names this entity tag: weak comparison (RFC 9110, section 13.1.2), so `W/"3"` is `"3"`. A
 * list that cannot be read names nothing beyond the place where it breaks.
 */
export function names(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true;
  TAG.lastIndex = 0;
  for (let found = TAG.exec(ifNoneMatch); found !== null; found = TAG.exec(ifNoneMatch)) {
    if (found[1] === etag) return true;
  }
  return false;
}

/** `304` without a body in place of what the caller has already. It was read all the same, and is audited so. */
export function unlessKnown(reply: Reply, knows: (etag: string) => boolean): Reply {
  const etag = reply.headers?.ETag;
  if (etag === undefined || reply.status !== 200 || reply.changesUnderTag || !knows(etag)) return reply;
  const facts = { ...reply.facts, extra: { ...reply.facts?.extra, not_modified: true } };
  return { status: 304, body: undefined, headers: { ETag: etag }, facts };
}
