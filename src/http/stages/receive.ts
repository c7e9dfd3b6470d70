import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { newId } from '../../lib/ids.ts';
import type { Received } from '../exchange.ts';
import { sourceAddress, type TrustedProxies } from '../source-address.ts';

const INBOUND_ID = /^[A-Za-z0-9_-]{8,64}$/;

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** Stage 1: request id, start time, source address. Never fails. */
export function receive(
  request: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
  isTrusted: TrustedProxies,
): Received {
  const { headers } = request;
  const inbound = firstOf(headers['x-request-id']) ?? '';
  const otherForwarding = headers.forwarded !== undefined || headers['x-real-ip'] !== undefined;
  return {
    requestId: INBOUND_ID.test(inbound) ? inbound : newId('req'),
    startedMicros: clock.nowMicros(),
    request,
    response,
    method: request.method ?? 'GET',
    source: sourceAddress(
      request.socket.remoteAddress ?? '',
      firstOf(headers['x-forwarded-for']),
      otherForwarding,
      isTrusted,
    ),
  };
}
