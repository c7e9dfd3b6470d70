import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../contract/errors.ts';
import { type ReadRoute, type Reply, readRoute } from '../contract/route.ts';
import { NoQuery } from '../contract/schemas.ts';
import { newId } from '../lib/ids.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { type Listener, openListener } from './listener.ts';
import { answer, answerError } from './respond.ts';

const PATH = '/v1/metrics';
const MAX_CONNECTIONS = 100;

/** Makes the text of the metrics. */
export type MetricsText = () => Promise<string>;

function metricsReply(text: string): Reply {
  return { status: 200, body: Buffer.from(text), headers: { 'Content-Type': Metrics.CONTENT_TYPE } };
}

/**
 * The metrics on the main port. They speak of all tenants, so it takes the highest role beside the scope.
 * @param text makes them
 */
export function metricsRoute(text: MetricsText): ReadRoute {
  return readRoute({
    method: 'GET',
    path: PATH,
    summary: 'Metrics of this process, in the text format of Prometheus',
    tag: 'metrics',
    category: 'AUDIT_QUERY',
    scope: 'admin',
    authority: { type: 'role', role: 'super_admin' },
    action: 'metrics_read',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'Metrics, as text/plain; version=0.0.4', schema: null } },
    run: async () => metricsReply(await text()),
  });
}

/**
 * A listener for nothing but the metrics, without token and TLS: Prometheus cannot renew a token. Who reaches it is for
 * the network to say. @throws AddressUnusable
 */
export function openMetricsListener(
  bind: { readonly host: string; readonly port: number },
  text: MetricsText,
): Promise<Listener> {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = { requestId: newId('req'), response, bucket: null };
    const path = (request.url ?? '').split('?')[0];
    if (path !== PATH) answerError(exchange, new ApiError('route_not_found', { message: `Here is only ${PATH}.` }));
    else if (request.method === 'GET') answer(exchange, metricsReply(await text()));
    else answerError(exchange, new ApiError('method_not_allowed', { details: { allow: ['GET'] } }));
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch(() => response.destroy());
  };
  const settings = { ...bind, tls: null, maxConnections: MAX_CONNECTIONS, variable: 'METRICS_BIND_ADDRESS' } as const;
  return openListener(settings, handle);
}
