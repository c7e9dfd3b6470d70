/**
 * The load generator: keep-alive connections over bare sockets, one request under way on each, as many answers read as
 * is needed to know that they are right. A client library would take more of the processor than the server it measures.
 */
import { connect, type Socket } from 'node:net';
import { percentile } from './statistics.ts';

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Bytes of the next request; null when there are no more. */
  next(): Buffer | null;
  readonly signal: AbortSignal;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds from the write of a request to the last byte of its answer. */
  readonly p50: number;
  readonly p99: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = /\r\ncontent-length: *(\d+)/i;

export function request(method: string, path: string, token: string, body?: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body);
  const head = [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', `authorization: Bearer ${token}`];
  if (body !== undefined) head.push('content-type: application/json', `content-length: ${Buffer.byteLength(text)}`);
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}

/** Keeps one request under way on a connection until there is nothing more to send. */
class Caller {
  readonly #socket: Socket;
  readonly #load: Load;
  readonly #latencies: number[];
  readonly #until: number;
  #sentAt = 0;
  #answer: Buffer[] = [];
  #received = 0;
  #expected = -1;
  #settle: (error?: Error) => void = () => {};
  readonly done: Promise<void>;

  constructor(load: Load, latencies: number[], until: number) {
    this.#load = load;
    this.#latencies = latencies;
    this.#until = until;
    this.#socket = connect(load.port, '127.0.0.1').setNoDelay(true);
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => {
        this.#socket.destroy();
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#settle(error));
    this.#socket.on('close', () => this.#settle(new Error('the server closed the connection')));
  }

  #send(): void {
    const bytes = performance.now() < this.#until && !this.#load.signal.aborted ? this.#load.next() : null;
    if (bytes === null) {
      this.#settle();
      return;
    }
    this.#sentAt = performance.now();
    this.#socket.write(bytes);
  }

  #read(chunk: Buffer): void {
    this.#answer.push(chunk);
    this.#received += chunk.length;
    if (this.#expected < 0) this.#readHead();
    if (this.#expected < 0 || this.#received < this.#expected) return;
    this.#latencies.push(performance.now() - this.#sentAt);
    this.#answer = [];
    this.#received = 0;
    this.#expected = -1;
    this.#send();
  }

  /** Learns how long the answer will be, once its head is there. */
  #readHead(): void {
    const whole = Buffer.concat(this.#answer);
    const headEnd = whole.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = whole.toString('latin1', 0, headEnd);
    const length = LENGTH.exec(head)?.[1];
    if (head.startsWith('HTTP/1.1 2') && length !== undefined)
      this.#expected = headEnd + HEAD_END.length + Number(length);
    else this.#settle(new Error(`an answer was: ${whole.toString('utf8').replace(/\s+/g, ' ').slice(0, 600)}`));
  }
}

/** Loads a server for some seconds. @throws Error at the first answer that is no success: refusals are not measured */
export async function load(load: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  const started = performance.now();
  const until = started + load.seconds * 1000;
  const callers = Array.from({ length: load.connections }, () => new Caller(load, latencies, until));
  await Promise.all(callers.map((caller) => caller.done));
  const seconds = (performance.now() - started) / 1000;
  const ascending = Float64Array.from(latencies).sort();
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50: percentile(ascending, 0.5),
    p99: percentile(ascending, 0.99),
  };
}
