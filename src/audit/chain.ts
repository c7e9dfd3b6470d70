import { hash as digest, randomBytes } from 'node:crypto';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { AuditEntry } from './entry.ts';

/** An entry with its place in a chain. */
export interface ChainedEntry extends AuditEntry {
  readonly chain_id: string;
  readonly seq: number;
  readonly salt: Buffer;
  readonly prev_hash: Buffer;
  readonly leaf_hash: Buffer;
  readonly hash: Buffer;
}

/** What the first entry of a chain names as the one before. */
export const CHAIN_START = Buffer.alloc(32);

const SALT_LENGTH = 16;
// Different first bytes, so that a leaf can never pass for an inner hash (RFC 6962, section 2.1).
const LEAF = Buffer.of(0);
const LINK = Buffer.of(1);

/** The members that are hashed, in this order. Adding one is a new version of the formula. */
const HASHED = [
  'id',
  'timestamp',
  'tenant_id',
  'partner_id',
  'action',
  'secret_path',
  'resource',
  'identity_type',
  'identity_id',
  'on_behalf_of',
  'source_ip',
  'user_agent',
  'success',
  'error_code',
  'duration_ms',
  'request_id',
  'version',
  'decision',
  'extra_data',
  'instance_id',
] as const satisfies readonly (keyof AuditEntry)[];

// The largest member by far, and the same object in every entry that repeats a decision.
const decisions = new WeakMap<object, string>();

function canonicalDecision(decision: AuditEntry['decision']): string {
  if (decision === null) return 'null';
  const known = decisions.get(decision) ?? canonicalJson(decision);
  decisions.set(decision, known);
  return known;
}

function sha256(parts: readonly Buffer[]): Buffer {
  return digest('sha256', Buffer.concat(parts), 'buffer');
}

/** `SHA-256(0x00 || salt || canonical entry)`; the salt keeps foreign rows unguessable from bare hashes (spec 12). */
export function leafHash(salt: Buffer, entry: AuditEntry, chainId: string, seq: number): Buffer {
  const fields = HASHED.map((name) =>
    name === 'decision' ? canonicalDecision(entry.decision) : canonicalJson(entry[name]),
  );
  const canonical = Buffer.from(`[${fields.join(',')},${canonicalJson(chainId)},${seq}]`, 'utf8');
  return sha256([LEAF, salt, canonical]);
}

/** `SHA-256(0x01 || prev_hash || leaf_hash)` */
export function linkHash(prevHash: Buffer, leaf: Buffer): Buffer {
  return sha256([LINK, prevHash, leaf]);
}

/** Puts entries behind a head, in order. */
export function link(
  entries: readonly AuditEntry[],
  chainId: string,
  head: { readonly seq: number; readonly hash: Buffer },
): readonly ChainedEntry[] {
  const salts = randomBytes(SALT_LENGTH * entries.length);
  let { seq, hash: prevHash } = head;
  return entries.map((entry, index) => {
    seq++;
    const salt = salts.subarray(index * SALT_LENGTH, (index + 1) * SALT_LENGTH);
    const leaf = leafHash(salt, entry, chainId, seq);
    const hash = linkHash(prevHash, leaf);
    const linked = { ...entry, chain_id: chainId, seq, salt, prev_hash: prevHash, leaf_hash: leaf, hash };
    prevHash = hash;
    return linked;
  });
}
