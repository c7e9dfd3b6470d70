/**
 * Changes that are done once however often they are asked for (spec 12, "Idempotency"): the record of a key is written
 * in the change's own transaction, so there is never the one without the other.
 */
import { timingSafeEqual } from 'node:crypto';
import type { AuditService, Companion } from '../../audit/service.ts';
import { ApiError } from '../../contract/errors.ts';
import { subjectDigest, subjectKey } from '../../contract/principal.ts';
import type { Call, ChangeRoute, Reply } from '../../contract/route.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { Database } from '../../postgres/database.ts';
import type { Authorised } from '../exchange.ts';
import {
  type Claim,
  type FoundClaim,
  findClaim,
  finishClaim,
  type Kept,
  sweepClaims,
  takeClaim,
} from './repository.ts';

const KEPT_SECONDS = 24 * 3_600;
const SWEPT_AT_ONCE = 2_000;

export interface OnceParts {
  readonly db: Database;
  readonly audit: AuditService;
  readonly mac: (message: Buffer) => Buffer;
}

export interface Once {
  /**
   * Does a change under a key, or tells again what came of it.
   * @throws ApiError `idempotency_conflict`, `idempotency_in_progress`, `idempotency_replayed`, and what the change throws
   */
  change(
    exchange: Authorised,
    key: string,
    route: ChangeRoute,
    call: Call<unknown, unknown>,
  ): Promise<{ readonly reply: Reply; readonly replayed: boolean }>;
  /** Removes the records that are over. */
  sweep(): Promise<void>;
}

/** Ends a transaction whose key is taken. */
class Taken extends Error {}

export function createOnce({ db, audit, mac }: OnceParts): Once {
  function claimOf(exchange: Authorised, key: string, route: ChangeRoute): Claim {
    const { principal, tenant, method, request, ifMatch, ifNoneMatch, body } = exchange;
    // Keyed, as the body may hold a value that could be guessed from a bare hash.
    const message = Buffer.from(canonicalJson([tenant.tenantId, method, request.url, ifMatch, ifNoneMatch, body]));
    const claim = {
      tenantId: tenant.tenantId,
      subject: subjectDigest(subjectKey(principal.subject)),
      key,
      route: `${route.method} ${route.path}`,
      mac: mac(message),
    };
    message.fill(0);
    return claim;
  }

  /** The claim's part in the change's transaction. */
  function companion(claim: Claim, entry: string, route: ChangeRoute, call: Call<unknown, unknown>): Companion {
    return {
      begin: async (tx) => {
        if (!(await takeClaim(tx, claim, KEPT_SECONDS))) throw new Taken();
      },
      end: (tx, value) => {
        const { status, body, headers = {} } = route.reply(value, call);
        const once = route.onceOnly?.(value);
        const kept = once === undefined ? { entry, answer: { body, headers } } : { entry, once };
        return finishClaim(tx, claim, status, kept);
      },
    };
  }

  async function replay(exchange: Authorised, done: { readonly status: number; readonly kept: Kept }): Promise<Reply> {
    const { entry, answer, once } = done.kept;
    if (answer === undefined) throw new ApiError('idempotency_replayed', { details: once ?? {} });
    const facts = { extra: { idempotent_replay: true, replay_of: entry } };
    await audit.record(exchange.standing.draft, { success: true, facts });
    return { status: done.status, body: answer.body, headers: { ...answer.headers, 'Idempotent-Replay': 'true' } };
  }

  return {
    change: async (exchange, key, route, call) => {
      const claim = claimOf(exchange, key, route);
      try {
        const { id } = exchange.draft;
        const committed = await audit.accompany(id, companion(claim, id, route, call), () => route.run(call));
        return { reply: route.reply(committed.value, call), replayed: false };
      } catch (error) {
        // What the work refuses may be just what the first request has done: a version that is not there any more.
        if (!(error instanceof Taken) && !isRefusal(error)) throw error;
        const found = await findClaim(db, claim);
        const record = found?.record ?? null;
        if (found === null || record === null) throw error instanceof Taken ? inProgress() : error;
        await exchange.standing.confirm(found.epochs);
        return { reply: await replay(exchange, doneBy(claim, record)), replayed: true };
      }
    },
    sweep: async () => {
      while ((await sweepClaims(db, SWEPT_AT_ONCE)) === SWEPT_AT_ONCE);
    },
  };
}

/** What became of the request of this claim. @throws ApiError when it was another one, or is not done */
function doneBy(claim: Claim, { route, mac, done }: NonNullable<FoundClaim['record']>) {
  if (route !== claim.route || !timingSafeEqual(mac, claim.mac)) throw new ApiError('idempotency_conflict');
  if (done === null) throw inProgress();
  return done;
}

function inProgress(): ApiError {
  return new ApiError('idempotency_in_progress', { retryAfter: 1 });
}

/** An answer that says no, rather than that something is out of order. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && error.status < 500;
}
