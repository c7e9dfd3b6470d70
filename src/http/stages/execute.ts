import type { AuditService } from '../../audit/service.ts';
import { ApiError } from '../../contract/errors.ts';
import type { Call, ChangeRoute, ReadRoute, Reply } from '../../contract/route.ts';
import { UnstorableText } from '../../postgres/database.ts';
import type { Authorised, Executed } from '../exchange.ts';
import type { Once } from '../idempotency/once.ts';
import { names, unlessKnown } from '../not-modified.ts';

export interface ExecuteParts {
  readonly audit: AuditService;
  readonly once: Once;
}

type AnyCall = Call<unknown, unknown>;
type Done = Pick<Executed, 'reply' | 'replayed'>;

function callOf(exchange: Authorised): AnyCall {
  const { principal, tenant, query, body, ifMatch, ifNoneMatch, standing, judge, roles, match } = exchange;
  const secretPath = () => {
    if (exchange.secretPath === null) throw new Error(`${exchange.route.path} has no {path}`);
    return exchange.secretPath;
  };
  return {
    principal,
    tenant,
    roles,
    params: match.params,
    secretPath,
    query,
    body,
    ifMatch,
    ifNoneMatch,
    knows: (etag) => ifNoneMatch !== null && names(ifNoneMatch, etag),
    standing,
    judge,
    // Read when the entry is made: until then the decision may be made again.
    get draft() {
      return standing.draft;
    },
  };
}

async function change(exchange: Authorised, route: ChangeRoute, call: AnyCall, once: Once): Promise<Done> {
  const { idempotencyKey } = exchange;
  if (idempotencyKey !== null) return once.change(exchange, idempotencyKey, route, call);
  return { reply: route.reply((await route.run(call)).value, call), replayed: false };
}

async function read(route: ReadRoute, call: AnyCall, audit: AuditService): Promise<Reply> {
  const reply = unlessKnown(await route.run(call), call.knows);
  const { facts, parts } = reply;
  if (route.audited === false) return reply;
  if (parts !== undefined) await audit.recordParts(call.draft, parts);
  else await audit.record(call.draft, { success: true, ...(facts === undefined ? {} : { facts }) });
  return reply;
}

/**
 * Stages 9 and 10: the work, and its audit row before the answer. A change has put its row into its own transaction,
 * which its type says; a read's row is stored here.
 */
export async function execute(exchange: Authorised, { audit, once }: ExecuteParts): Promise<Executed> {
  const { route } = exchange;
  try {
    const call = callOf(exchange);
    if (route.effect === 'change') return { ...exchange, ...(await change(exchange, route, call, once)) };
    return { ...exchange, reply: await read(route, call, audit), replayed: false };
  } catch (error) {
    if (!(error instanceof UnstorableText)) throw error;
    throw new ApiError('validation_error', {
      message: 'A text in the request holds a NUL character or half of a surrogate pair, which cannot be stored.',
      cause: error,
    });
  }
}
