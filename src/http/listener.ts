import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ERRORS, type ErrorCode } from '../contract/errors.ts';
import { newId } from '../lib/ids.ts';
import { errorBody } from './respond.ts';
import type { TlsSettings } from './tls.ts';

const FLAGS = { BIND_ADDRESS: '--bind', METRICS_BIND_ADDRESS: '--metrics-bind-address' } as const;

export interface ListenerSettings {
  readonly host: string;
  readonly port: number;
  readonly maxConnections: number;
  readonly tls: TlsSettings | null;
  /** What names the address, for whoever has to choose another one; `BIND_ADDRESS` unless told. */
  readonly variable?: keyof typeof FLAGS;
}

export interface Listener {
  readonly server: Server;
  /** Where it listens, with the port that was got for port 0. */
  readonly address: AddressInfo;
  /** Accepts no more; resolves when running requests have ended, or cuts them off after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** The port is taken by somebody else, or may not be used by us. */
export class AddressUnusable extends Error {
  override readonly name = 'AddressUnusable';
  readonly hint: string;

  constructor(message: string, variable: keyof typeof FLAGS) {
    super(message);
    this.hint = `Choose another address with ${variable} or ${FLAGS[variable]}.`;
  }
}

// Limits on what a stranger can hold open. Parsing is strict: Node refuses two Content-Lengths, TE with CL, bare LF and
// obs-fold, unless told otherwise by --insecure-http-parser.
const OPTIONS = {
  insecureHTTPParser: false,
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
  // The pipeline says so itself, in our own shape.
  requireHostHeader: false,
} as const;
const IDLE_SWEEP_MS = 50;

interface ParserRefusal {
  readonly status: string;
  readonly code: ErrorCode;
  readonly message?: string;
}

const MALFORMED: ParserRefusal = { status: '400 Bad Request', code: 'invalid_request' };
const REFUSALS: Readonly<Record<string, ParserRefusal>> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', code: 'payload_too_large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', code: 'payload_too_large' },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'invalid_request',
    message: 'The request did not arrive in time.',
  },
  ERR_SSL_HTTP_REQUEST: { ...MALFORMED, message: 'This port speaks TLS. Use https://.' },
};

/** The socket under a TLS socket whose handshake never was: Node has no public name for it. */
function plainSocket(socket: Duplex): Duplex {
  return '_parent' in socket && socket._parent instanceof Socket ? socket._parent : socket;
}

/** What never reaches the pipeline is answered in the same shape. */
function answerRaw(socket: Duplex, { status, code, message }: ParserRefusal): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorBody(code, message ?? ERRORS[code].message, undefined, newId('req')));
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** What the HTTP parser, or TLS before it, refuses. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  const refusal = REFUSALS[error.code ?? ''] ?? MALFORMED;
  answerRaw(error.code === 'ERR_SSL_HTTP_REQUEST' ? plainSocket(socket) : socket, refusal);
}

function listen(server: Server, { host, port, variable = 'BIND_ADDRESS' }: ListenerSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use by another process'
          : `cannot be used (${error.code ?? error.message})`;
      reject(new AddressUnusable(`${host}:${port} ${why}`, variable));
    });
    server.listen({ host, port }, resolve);
  });
}

/** Tells the client to send nothing more on this connection: it would be lost. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

/** Opens the port. @throws AddressUnusable */
export async function openListener(
  settings: ListenerSettings,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listener> {
  const { tls, maxConnections } = settings;
  const server = tls === null ? createServer(OPTIONS) : createTlsServer({ ...OPTIONS, ...tls.options() });
  server.maxConnections = maxConnections;
  // None are dropped silently: the pipeline counts them, and `maxHeaderSize` bounds them before.
  server.maxHeadersCount = 0;
  const answering = new Set<ServerResponse>();
  const receive = (request: IncomingMessage, response: ServerResponse) => {
    answering.add(response);
    response.once('close', () => answering.delete(response));
    if (!server.listening) closeAfter(response);
    handle(request, response);
  };
  server.on('request', receive);
  // A body is invited only after the caller has been let in.
  server.on('checkContinue', receive);
  server.on('checkExpectation', receive);
  // We are no proxy.
  server.on('connect', (_request, socket) => answerRaw(socket, MALFORMED));
  server.on('clientError', refuse);
  await listen(server, settings);
  const unwatch = tls?.watch(server) ?? (() => {});

  return {
    server,
    address: server.address() as AddressInfo,
    stop: async (graceMs) => {
      unwatch();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      answering.forEach(closeAfter);
      // A connection that was busy when the listener closed becomes idle later.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}
