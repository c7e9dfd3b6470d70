import { isIP } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';

/** A document was not to be had, or not what it must be. The message is for operators. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
  /** Status of the answer, or null when there was none. */
  readonly status: number | null;

  constructor(message: string, status: number | null = null, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

export interface DocumentOptions {
  /** PEM certificates trusted beside the built-in roots (`CA_BUNDLE_FILE`). */
  readonly caBundle?: string | undefined;
  /** `HTTPS_PROXY` and `NO_PROXY`; never used for loopback and link-local addresses. */
  readonly httpsProxy?: string | undefined;
  readonly noProxy?: string | undefined;
  readonly timeoutMs?: number;
}

export interface Documents {
  /** @returns the parsed JSON document. @throws DocumentError */
  fetch(url: string): Promise<unknown>;
  close(): Promise<void>;
}

export const MAX_DOCUMENT_BYTES = 256 * 1024;
const TIMEOUT_MS = 5_000;

/**
 * Fetches the identity provider's public documents: https only, no redirects, at most 256 KiB, 5 s in all
 * (CVE-2026-39396: every fetch has a limit of size, time and redirects).
 */
export function openDocuments(options: DocumentOptions = {}): Documents {
  const connect = tlsOptions(options.caBundle);
  const direct = new Agent({ connect });
  // Empty texts, since undici would look into the environment for what is undefined.
  const proxied = new EnvHttpProxyAgent({
    connect,
    requestTls: connect,
    httpProxy: '',
    httpsProxy: options.httpsProxy ?? '',
    noProxy: options.noProxy ?? '',
  });
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  return {
    fetch: (url) => fetchJson(url, (host) => (isNearby(host) ? direct : proxied), timeoutMs),
    close: async () => {
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}

/** The context is made once: parsing the bundle for each connection would cost milliseconds. */
function tlsOptions(caBundle: string | undefined) {
  if (caBundle === undefined) return { allowH2: false };
  return { allowH2: false, secureContext: createSecureContext({ ca: [...getCACertificates('default'), caBundle] }) };
}

async function fetchJson(text: string, dispatcherFor: (host: string) => Dispatcher, timeoutMs: number) {
  const url = httpsUrl(text);
  // Without the query, which may hold a key of the operator's.
  const name = url.origin + url.pathname;
  try {
    const response = await request(url, {
      dispatcher: dispatcherFor(url.hostname),
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    });
    if (response.statusCode !== 200) {
      // The rest is not read: an answer that is refused costs nothing more.
      response.body.on('error', () => undefined).destroy();
      throw new DocumentError(`${name} answered ${response.statusCode}`, response.statusCode);
    }
    return JSON.parse(await readCapped(response.body, name));
  } catch (error) {
    if (error instanceof DocumentError) throw error;
    throw new DocumentError(`${name} cannot be read: ${reason(error)}`, null, error);
  }
}

function httpsUrl(text: string): URL {
  if (!URL.canParse(text)) throw new DocumentError('the address of a document is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:') throw new DocumentError(`${url.origin} is refused: only https is taken`);
  return url;
}

async function readCapped(body: AsyncIterable<Buffer>, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) throw new DocumentError(`${name} is larger than ${MAX_DOCUMENT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `${code}${error.message}`;
}

/** Loopback and link-local: no proxy could reach what we mean. */
function isNearby(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1') return true;
  if (isIP(bare) === 4) return bare.startsWith('127.') || bare.startsWith('169.254.');
  return isIP(bare) === 6 && /^fe[89ab]/i.test(bare);
}
