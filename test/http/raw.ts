import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; each value as often as it came. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a JSON body of any route
  readonly body: any;
}

export interface Spoken {
  readonly answers: readonly RawAnswer[];
  /** Whether the server ended the connection. */
  readonly closed: boolean;
}

const LIMIT_MS = 5_000;

function parseHead(head: string): { status: number; headers: Map<string, string[]> } {
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(at + 1).trim()]);
  }
  return { status: Number(first.split(' ')[1]), headers };
}

/** Cuts what came into answers; ours all have a Content-Length. */
function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const { status, headers } = parseHead(bytes.subarray(at, end).toString('latin1'));
    const length = Number(headers.get('content-length')?.[0] ?? 0);
    const text = bytes.subarray(end + 4, end + 4 + length).toString();
    if (Buffer.byteLength(text) < length) break;
    const json = headers.get('content-type')?.[0]?.startsWith('application/json') ?? false;
    answers.push({ status, headers, text, body: json ? JSON.parse(text) : null });
    at = end + 4 + length;
  }
  return answers;
}

/**
 * Writes bytes to a port exactly as they are and listens until the server closes, or until `answers` have come.
 * @param socket an own one, for TLS
 */
export function speak(
  port: number,
  bytes: string | Uint8Array,
  { answers: wanted = 1, socket }: { answers?: number; socket?: Socket } = {},
): Promise<Spoken> {
  const connection = socket ?? connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const finish = (closed: boolean) => {
      clearTimeout(late);
      connection.destroy();
      resolve({ answers: parseAnswers(Buffer.concat(chunks)), closed });
    };
    const late = setTimeout(() => {
      connection.destroy();
      reject(new Error(`no answer in ${LIMIT_MS} ms; came: ${Buffer.concat(chunks).toString('latin1')}`));
    }, LIMIT_MS);
    connection.on('data', (chunk) => {
      chunks.push(chunk);
      // `100 Continue` is no answer yet.
      const complete = parseAnswers(Buffer.concat(chunks)).filter(({ status }) => status !== 100);
      if (complete.length >= wanted) finish(false);
    });
    connection.on('close', () => finish(true));
    connection.on('error', () => {});
    connection.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}

/** One request whose target and headers no library touches. */
export async function rawRequest(
  port: number,
  method: string,
  target: string,
  { headers = [], body = '' }: { headers?: readonly string[]; body?: string } = {},
): Promise<RawAnswer> {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: vault', 'Connection: close', ...headers];
  if (body !== '') lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
  const spoken = await speak(port, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1').toString('latin1') + body);
  const [answer] = spoken.answers;
  if (answer === undefined) throw new Error('the connection was closed without an answer');
  return answer;
}
