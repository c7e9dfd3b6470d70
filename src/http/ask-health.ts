import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';

/** The other end of `health.ts`: what a probe on the same machine gets to hear. */
export interface HealthAnswer {
  readonly healthy: boolean;
  /** Null: there was no answer. */
  readonly httpStatus: number | null;
  /** One line for people: what the server said, or why it said nothing. Printable ASCII. */
  readonly said: string;
}

export interface Asked {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly path: '/v1/health' | '/v1/health/ready';
}

const MAX_ANSWER = 64 * 1024;
const MAX_LINE = 300;
const HEALTHY = ['ok', 'ready'];

/** Whoever listens there may be somebody else: nothing of it steers a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_LINE);
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && Object.hasOwn(of, name)
    ? (of as Record<string, unknown>)[name]
    : undefined;
}

function entries(of: unknown): string {
  if (typeof of !== 'object' || of === null) return '';
  return Object.entries(of)
    .map(([name, why]) => `${name}: ${why}`)
    .join('; ');
}

/** In words, from the answers of `health.ts` and the error answers of the listener. */
function judge(httpStatus: number, text: string): HealthAnswer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { healthy: false, httpStatus, said: `answered ${httpStatus} with something that is not of ScaiVault` };
  }
  const status = member(body, 'status');
  const healthy = httpStatus === 200 && HEALTHY.includes(String(status));
  const why = entries(member(body, 'errors')) || String(member(member(body, 'error'), 'message') ?? '');
  const word = typeof status === 'string' ? status.replace('_', ' ') : `answered ${httpStatus}`;
  return { healthy, httpStatus, said: printable(why === '' ? word : `${word}: ${why}`) };
}

function reason({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'EPROTO' || code?.startsWith('ERR_SSL_'))
    return 'what listens there speaks no TLS (TLS_CERT_FILE is set)';
  return code ?? message;
}

function silence({ host, port, tls }: Asked, reason: string): HealthAnswer {
  const said = printable(`${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}: ${reason}`);
  return { healthy: false, httpStatus: null, said };
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function open(asked: Asked, signal: AbortSignal): Promise<ClientRequest> {
  const { host, port, path, tls } = asked;
  const options: RequestOptions = { host, port, path, signal, agent: false };
  if (!tls) return (await import('node:http')).request(options);
  // It is our own machine, and what is said is no secret: the certificate proves nothing that matters here.
  return (await import('node:https')).request({ ...options, rejectUnauthorized: false });
}

/** Asks once. Never throws: no answer is an answer, too. */
export async function askHealth(asked: Asked, limitMs: number): Promise<HealthAnswer> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), limitMs);
  try {
    const request = await open(asked, deadline.signal);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', reject);
      request.end();
    });
    return judge(response.statusCode ?? 0, await read(response));
  } catch (error) {
    const late = deadline.signal.aborted;
    return silence(asked, late ? `no answer within ${limitMs / 1000} s` : reason(error as NodeJS.ErrnoException));
  } finally {
    clearTimeout(timer);
  }
}
