import type { AuditService } from '../../audit/service.ts';
import { ApiError } from '../../contract/errors.ts';
import type { Call } from '../../contract/route.ts';
import { UnstorableText } from '../../postgres/database.ts';
import type { Authorised, Executed } from '../exchange.ts';

function callOf(exchange: Authorised): Call<unknown, unknown> {
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
    standing,
    judge,
    // Read when the entry is made: until then the decision may be made again.
    get draft() {
      return exchange.draft;
    },
  };
}

/**
 * Stages 9 and 10: the work, and its audit row before the answer. A change has put its row into its own transaction,
 * which its type says; a read's row is stored here.
 */
export async function execute(exchange: Authorised, audit: AuditService): Promise<Executed> {
  const { route } = exchange;
  try {
    const call = callOf(exchange);
    if (route.effect === 'change') return { ...exchange, reply: route.reply((await route.run(call)).value, call) };
    const reply = await route.run(call);
    const { facts, parts } = reply;
    if (parts !== undefined) await audit.recordParts(exchange.draft, parts);
    else await audit.record(exchange.draft, { success: true, ...(facts === undefined ? {} : { facts }) });
    return { ...exchange, reply };
  } catch (error) {
    if (!(error instanceof UnstorableText)) throw error;
    throw new ApiError('validation_error', {
      message: 'A text in the request holds a NUL character or half of a surrogate pair, which cannot be stored.',
      cause: error,
    });
  }
}
