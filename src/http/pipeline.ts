/**
 * The request pipeline (spec 00): the one list of stages. No route can be reached but through it, and no stage can be
 * left out: each takes what the one before it returns.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import { type AuditService, OutcomeUnknown } from '../audit/service.ts';
import type { AuditDraft } from '../contract/audit.ts';
import type { ApiError } from '../contract/errors.ts';
import { parseSecretPath, type SecretPath } from '../contract/names.ts';
import { RefusedInParts } from '../contract/refusal.ts';
import type { IdentityService } from '../identity/service.ts';
import type { Clock } from '../lib/clock.ts';
import type { PolicyService } from '../policy/service.ts';
import type { Rate } from '../ratelimit/buckets.ts';
import type { RateLimiter } from '../ratelimit/service.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { draftStranger, draftUnauthenticated } from './audit-draft.ts';
import { hasBody } from './body.ts';
import type { Authenticated, Guarded, Reached } from './exchange.ts';
import { GuessLimit } from './guess-limit.ts';
import type { Once } from './idempotency/once.ts';
import { RefusalSample } from './refusal-sample.ts';
import type { RequestMetrics } from './request-metrics.ts';
import { answer, answerError, asApiError } from './respond.ts';
import type { Router } from './router.ts';
import type { TrustedProxies } from './source-address.ts';
import { authenticate } from './stages/authenticate.ts';
import { authorise, Refused } from './stages/authorise.ts';
import { execute } from './stages/execute.ts';
import { limit, limitUnits, RateLimited, settle, settleFailed } from './stages/limit.ts';
import { parse } from './stages/parse.ts';
import { receive } from './stages/receive.ts';
import { route } from './stages/route.ts';
import { scope } from './stages/scope.ts';
import { tenant } from './stages/tenant.ts';

export interface PipelineParts {
  readonly router: Router;
  readonly identity: IdentityService;
  readonly policies: PolicyService;
  readonly limiter: RateLimiter;
  readonly audit: AuditService;
  readonly once: Once;
  readonly metrics: RequestMetrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly isTrusted: TrustedProxies;
  readonly maxBodyBytes: number;
  readonly authFailures: 'off' | Rate;
}

export type Pipeline = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const FAILED_AUTHENTICATIONS_KEPT_PER_MINUTE = 10;
const RATE_LIMITED_KEPT_PER_MINUTE = 1;
const RATE_LIMITED_CALLERS = 10_000;

export function createPipeline(parts: PipelineParts): Pipeline {
  const { router, identity, policies, limiter, audit, once, metrics, clock, log } = parts;
  const guesses = new GuessLimit(parts.authFailures);
  const unauthenticated = new RefusalSample(FAILED_AUTHENTICATIONS_KEPT_PER_MINUTE);
  const rateLimited = new LRUCache<string, RefusalSample>({ max: RATE_LIMITED_CALLERS });

  return async (request, response) => {
    const received = receive(request, response, clock, parts.isTrusted);
    metrics.begun(received);
    let reached: Reached = received;
    const advance = <Next extends Reached>(next: Next): Next => {
      reached = next;
      return next;
    };
    try {
      const routed = advance(route(received, router));
      const { route: found } = routed.match;
      if (found.effect === 'public') return answer(routed, await found.run());
      const guarded = advance({ ...routed, route: found });
      const authenticated = advance(await authenticate(guarded, identity, guesses));
      const tenanted = advance(await tenant(authenticated, identity));
      const limited = advance(await limit(tenanted, limiter));
      const scoped = advance(scope(limited));
      const parsed = advance(await parse(scoped, parts.maxBodyBytes));
      const counted = advance(await limitUnits(parsed, limiter));
      const authorised = advance(await authorise(counted, { policies, identity }));
      const executed = advance(await execute(authorised, { audit, once }));
      const settled = advance(await settle(executed, limiter));
      metrics.executed(settled);
      answer(settled, settled.reply);
    } catch (error) {
      await fail(reached, error);
    } finally {
      end(reached);
    }
  };

  async function fail(reached: Reached, thrown: unknown): Promise<void> {
    let error = asApiError(thrown);
    let recorded = false;
    try {
      recorded = await auditFailure(reached, error);
    } catch (unstored) {
      // A denial that cannot be recorded is not told: the caller learns that the log is unavailable.
      error = asApiError(unstored);
    }
    metrics.refused(error);
    logFailure(reached, error, recorded);
    await settleFailed(reached, error, limiter);
    const bucket = error instanceof RateLimited ? error.bucket : reached.bucket;
    // The rest of an unread body is not worth reading.
    if (hasBody(reached.request) && !reached.request.complete) reached.response.setHeader('Connection', 'close');
    answerError({ ...reached, ...(bucket === undefined ? {} : { bucket }) }, error);
  }

  /**
   * A denial is audited too; one without an identity, and one by the rate limit, is sampled.
   * @returns whether it left an entry
   */
  async function auditFailure(reached: Reached, error: ApiError): Promise<boolean> {
    const drafted = draftOf(reached);
    if (error instanceof RefusedInParts && drafted !== undefined) {
      await audit.recordParts(drafted, error.parts);
      return true;
    }
    const draft = draftOfFailure(reached, error);
    if (draft !== null) await audit.record(draft, { success: false, errorCode: error.code });
    return draft !== null;
  }

  /** What the public text does not say. Refusals only where they are audited: a stranger fills neither log. */
  function logFailure(reached: Reached, error: ApiError, recorded: boolean): void {
    const { requestId: request_id, source } = reached;
    const { code, operator = null } = error;
    if (error.status >= 500) log.error({ request_id, code, operator, ...errorFields(error.cause) }, 'failed');
    else if (operator !== null && recorded) log.info({ request_id, code, operator, address: source.ip }, 'refused');
  }

  function draftOfFailure(reached: Reached, error: ApiError): AuditDraft | null {
    // Its entry is stored already, or may still be.
    if (error instanceof OutcomeUnknown) return null;
    if (isAuthenticated(reached)) {
      const drafted = draftOf(reached);
      if (drafted === undefined) return draftStranger(reached);
      const draft = draftDenied(reached, drafted, error);
      if (!(error instanceof RateLimited)) return draft;
      const suppressed = sampleOf(error).take(clock.nowMs());
      return suppressed === null ? null : { ...draft, extra: { ...draft.extra, suppressed } };
    }
    // The limit on guesses is the one 429 without an identity.
    if (!isGuarded(reached) || (error.status !== 401 && error.code !== 'rate_limited')) return null;
    const suppressed = unauthenticated.take(clock.nowMs());
    return suppressed === null ? null : draftUnauthenticated(reached, suppressed);
  }

  /** After a 429 only one entry a minute (spec 12, "Rate limits"), for each caller and category. */
  function sampleOf({ owner }: RateLimited): RefusalSample {
    const sample = rateLimited.get(owner) ?? new RefusalSample(RATE_LIMITED_KEPT_PER_MINUTE);
    rateLimited.set(owner, sample);
    return sample;
  }

  function end(reached: Reached): void {
    const { method, requestId, response, match, principal, tenant: place, startedMicros } = reached;
    const millis = (clock.nowMicros() - startedMicros) / 1000;
    metrics.ended(reached, millis / 1000);
    log.debug(
      {
        request_id: requestId,
        method,
        route: match?.route.path ?? null,
        status: response.statusCode,
        identity_id: principal?.identityId ?? null,
        tenant_id: place?.tenantId ?? null,
        duration_ms: millis,
      },
      'request',
    );
  }
}

/** With the decision that counted, where one was made. */
function draftOf(reached: Reached): AuditDraft | undefined {
  return reached.standing?.draft ?? reached.draft;
}

function isGuarded(reached: Reached): reached is Reached & Guarded {
  return reached.route !== undefined;
}

function isAuthenticated(reached: Reached): reached is Reached & Authenticated {
  return reached.holder !== undefined;
}

/** The path of a request that failed before or while it was parsed, where it is a legal one. */
function pathOf(reached: Authenticated): SecretPath | null {
  const { rest } = reached.match;
  if (rest === null) return null;
  try {
    return parseSecretPath(rest);
  } catch {
    return null;
  }
}

function draftDenied(reached: Authenticated, draft: AuditDraft, error: ApiError): AuditDraft {
  const secretPath = draft.secretPath ?? pathOf(reached);
  return {
    ...draft,
    secretPath,
    resource: secretPath === null ? draft.resource : null,
    decision: refusedBy(error)?.decision ?? draft.decision,
  };
}

/** The judgement behind a refusal, also where a use case has said more about it. */
function refusedBy(error: ApiError): Refused | null {
  return [error, error.cause].find((each) => each instanceof Refused) ?? null;
}
