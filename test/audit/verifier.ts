/**
 * Proves audit chains from the columns alone, written from the formula and sharing no code with the server:
 * `leaf_hash = SHA-256(0x00 || salt || canonical JSON of [fields..., chain_id, seq])`,
 * `hash = SHA-256(0x01 || prev_hash || leaf_hash)`, the first `prev_hash` 32 zero bytes, `seq` from 1 without a gap.
 */
import { createHash } from 'node:crypto';
import { Client } from 'pg';

export interface Proof {
  readonly chains: number;
  /** Ids of all entries, in no particular order. */
  readonly ids: readonly string[];
  readonly problems: readonly string[];
}

type Row = Record<string, unknown> & {
  readonly id: string;
  readonly chain_id: string;
  readonly seq: string;
  readonly salt: Buffer;
  readonly prev_hash: Buffer;
  readonly leaf_hash: Buffer;
  readonly hash: Buffer;
};

const FIELDS = `id timestamp tenant_id partner_id action secret_path resource identity_type identity_id on_behalf_of
  source_ip user_agent success error_code duration_ms request_id version decision extra_data instance_id`.split(/\s+/);

function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join()}]`;
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical((value as Row)[name])}`).join()}}`;
}

const sha256 = (...parts: (Buffer | string)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function problemOf(row: Row, seq: number, before: Buffer): string | null {
  if (Number(row.seq) !== seq) return `expected seq ${seq}`;
  if (!row.prev_hash.equals(before)) return 'prev_hash is not the hash before';
  const entry = canonical([...FIELDS.map((field) => row[field]), row.chain_id, seq]);
  if (!row.leaf_hash.equals(sha256(Buffer.of(0), row.salt, entry))) return 'leaf_hash does not fit the entry';
  if (!row.hash.equals(sha256(Buffer.of(1), before, row.leaf_hash))) return 'hash does not fit';
  return null;
}

/** Every chain of a database. */
export async function verifyChains(url: string): Promise<Proof> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(
      `SELECT *, to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "timestamp"
       FROM audit_log ORDER BY chain_id COLLATE "C", seq`,
    );
    const problems: string[] = [];
    const chains = Map.groupBy(rows, (row) => row.chain_id);
    for (const [chain, members] of chains) {
      let before: Buffer = Buffer.alloc(32);
      for (const [index, row] of members.entries()) {
        const problem = problemOf(row, index + 1, before);
        if (problem !== null) problems.push(`${chain} ${row.seq} ${row.id}: ${problem}`);
        before = row.hash;
      }
    }
    return { chains: chains.size, ids: rows.map((row) => row.id), problems };
  } finally {
    await client.end();
  }
}
