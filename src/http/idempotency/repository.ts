import type { TenantId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { type Queryable, statement, type Transaction } from '../../postgres/database.ts';

// The lock goes with the transaction, so that a request that is still running is seen at once: waiting for its row would
// hold a connection of the pool for each repetition. A record that is over counts as none.
const CLAIM = statement(
  'idempotency.claim',
  `INSERT INTO idempotency AS known (tenant_id, subject, key, route, body_mac, state, expires_at)
   SELECT $1, $2::bytea, $3, $4, $5::bytea, 'running', now() + $6::integer * interval '1 second'
   WHERE pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || encode($2::bytea, 'hex') || ' ' || $3, 0))
   ON CONFLICT (tenant_id, subject, key) DO UPDATE SET
     route = excluded.route, body_mac = excluded.body_mac, state = 'running', status = NULL, reference = NULL,
     created_at = now(), expires_at = excluded.expires_at
   WHERE known.expires_at <= now()
   RETURNING key`,
);
const FINISH = statement(
  'idempotency.finish',
  `UPDATE idempotency SET state = 'done', status = $4, reference = $5::json
   WHERE tenant_id = $1 AND subject = $2 AND key = $3`,
);
// With the epochs that say whether the decision that let the repetition in still holds.
const FIND = statement(
  'idempotency.find',
  `SELECT t.policy_epoch, t.subject_epoch, r.route, r.body_mac, r.state, r.status, r.reference
   FROM tenants t
   LEFT JOIN idempotency r ON r.tenant_id = t.tenant_id AND r.subject = $2 AND r.key = $3 AND r.expires_at > now()
   WHERE t.tenant_id = $1`,
);
// By their place in the table, which a locked row does not leave; processes that sweep together skip each other's rows.
const SWEEP = statement(
  'idempotency.sweep',
  `WITH swept AS (
     DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM idempotency WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
     RETURNING 1)
   SELECT count(*)::integer AS swept FROM swept`,
);

/** What a key stands for, and who has used it. */
export interface Claim {
  readonly tenantId: TenantId;
  /** Hash of the caller's immutable subject. */
  readonly subject: Buffer;
  readonly key: string;
  /** `PUT /v1/secrets/{path}` */
  readonly route: string;
  /** Over all that makes the request what it is. */
  readonly mac: Buffer;
}

/** What is kept of a request that was done. */
export interface Kept {
  /** The audit entry of the change. */
  readonly entry: string;
  /** The whole answer, or, where it is given only once, what names the result. */
  readonly answer?: { readonly body: unknown; readonly headers: Readonly<Record<string, string>> };
  readonly once?: Readonly<Record<string, unknown>>;
}

export interface FoundClaim {
  readonly epochs: Epochs;
  /** Null: the key is free. */
  readonly record: {
    readonly route: string;
    readonly mac: Buffer;
    /** Null: it is not done yet. */
    readonly done: { readonly status: number; readonly kept: Kept } | null;
  } | null;
}

interface FoundRow {
  readonly policy_epoch: number;
  readonly subject_epoch: number;
  readonly route: string | null;
  readonly body_mac: Buffer | null;
  readonly state: 'running' | 'done' | null;
  readonly status: number | null;
  readonly reference: Kept | null;
}

/** Takes a key until the transaction ends. @returns false when it is taken, by a request that is done or still runs */
export async function takeClaim(tx: Transaction, claim: Claim, lifeSeconds: number): Promise<boolean> {
  const { tenantId, subject, key, route, mac } = claim;
  return (await tx.query(CLAIM, [tenantId, subject, key, route, mac, lifeSeconds])).length > 0;
}

/** Keeps what came of the request that has taken the key. */
export async function finishClaim(tx: Transaction, claim: Claim, status: number, kept: Kept): Promise<void> {
  await tx.query(FINISH, [claim.tenantId, claim.subject, claim.key, status, JSON.stringify(kept)]);
}

/** What is known of a key. @returns null when there is no such tenant */
export async function findClaim(db: Queryable, { tenantId, subject, key }: Claim): Promise<FoundClaim | null> {
  const [row] = await db.query<FoundRow>(FIND, [tenantId, subject, key]);
  if (row === undefined) return null;
  const epochs = { policy: row.policy_epoch, subject: row.subject_epoch };
  const { route, body_mac: mac, status, reference } = row;
  if (route === null || mac === null) return { epochs, record: null };
  const done = status === null || reference === null ? null : { status, kept: reference };
  return { epochs, record: { route, mac, done } };
}

/** Removes records that are over, of all tenants, up to `limit`. @returns how many it removed */
export async function sweepClaims(db: Queryable, limit: number): Promise<number> {
  const [row] = await db.query<{ swept: number }>(SWEEP, [limit]);
  return row?.swept ?? 0;
}
