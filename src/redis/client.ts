/**
 * The one connection to Redis, which holds only what may be lost (spec 03). A command therefore never waits for a
 * lost server: it fails at once, and whoever asked goes on without.
 */
import { isIP } from 'node:net';
import { type ConnectionOptions, createSecureContext, rootCertificates } from 'node:tls';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import type { Secret } from '../lib/secret.ts';
import type { Log } from '../telemetry/log.ts';
import { parseRedisUrl, type RedisAddress } from './url.ts';

const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 2_000;
const DISCONNECT_TIMEOUT_MS = 200;
// A connection that owes us an answer for so long is dead, even when TCP has not noticed.
const SILENCE_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

/** Runs a script in one step on the server; `keys` must share a slot. @throws RedisUnavailable */
export type RedisScript = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;

export interface RedisClient {
  /** Whether the connection stands. A frozen server is noticed by {@link ping}, not here. */
  readonly status: 'ok' | 'down';
  /** Asks the server itself; answers or throws within the command time-out. @throws RedisUnavailable */
  ping(): Promise<void>;
  /** Sent by its hash, in full where the server does not know it (any more). */
  script(name: string, lua: string): RedisScript;
  close(): void;
}

/**
 * A command failed or was not answered in time; it may have been carried out. The reason is a code, never the text
 * or the arguments of the original error: those of `AUTH` are the password.
 */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

export interface RedisClientOptions {
  readonly url: Secret<string>;
  /** PEM, trusted beside the built-in roots. */
  readonly caBundle?: string;
  readonly commandTimeoutMs?: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/**
 * Resolves after the first attempt to connect, successful or not; from then on it reconnects for ever by itself.
 * Loss and return of the connection are logged once each. @throws RedisUrlError
 */
export async function connectRedis(options: RedisClientOptions): Promise<RedisClient> {
  const address = parseRedisUrl(options.url);
  const redis = new Redis(ioredisOptions(address, options));
  logOutages(redis, `${address.host}:${address.port}`, options.log);
  await redis.connect().catch(() => undefined);
  return new IoRedisClient(redis);
}

function ioredisOptions(address: RedisAddress, options: RedisClientOptions): RedisOptions & { replyMapping: 'legacy' } {
  return {
    host: address.host,
    port: address.port,
    db: address.db,
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password.reveal() }),
    ...(address.tls ? { tls: tlsOptions(address.host, options.caBundle) } : {}),
    connectionName: 'scaivault',
    replyMapping: 'legacy',
    lazyConnect: true,
    enableOfflineQueue: false,
    // Commands of one turn of the event loop leave in one write.
    enableAutoPipelining: true,
    // Whatever was under way when the connection broke has failed; the caller has already gone on without.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    retryStrategy: retryDelayMs,
  };
}

/** Doubles up to the limit; the random half keeps replicas from coming back in step. */
function retryDelayMs(attempt: number): number {
  const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 16));
  return delay / 2 + (Math.random() * delay) / 2;
}

function tlsOptions(host: string, caBundle: string | undefined): ConnectionOptions {
  return {
    // An address is no server name (RFC 6066, section 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    // Made once: parsing all the roots again at each reconnection would cost milliseconds.
    ...(caBundle === undefined ? {} : { secureContext: createSecureContext({ ca: [...rootCertificates, caBundle] }) }),
  };
}

/** Listens to every error, so that none is unhandled. */
function logOutages(redis: Redis, address: string, log: RedisClientOptions['log']): void {
  let reason = 'connection closed';
  let down = false;
  redis.on('error', (error: unknown) => {
    reason = reasonOf(error);
  });
  redis.on('close', () => {
    if (!down && redis.status !== 'end') log.warn({ address, reason }, 'Redis is not reachable; going on without it');
    down = true;
  });
  redis.on('ready', () => {
    if (down) log.info({ address }, 'Redis is reachable again');
    down = false;
    reason = 'connection closed';
  });
}

class IoRedisClient implements RedisClient {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  get status(): 'ok' | 'down' {
    return this.#redis.status === 'ready' ? 'ok' : 'down';
  }

  async ping(): Promise<void> {
    await this.#redis.ping().catch(fail);
  }

  script(name: string, lua: string): RedisScript {
    this.#redis.defineCommand(name, { lua });
    // ioredis adds the command as a method under its name, which its types cannot know.
    const methods = this.#redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
    return async (keys, args) => methods[name]?.(keys.length, ...keys, ...args).catch(fail);
  }

  close(): void {
    this.#redis.disconnect();
  }
}

function fail(error: unknown): never {
  throw new RedisUnavailable(`Redis did not do it: ${reasonOf(error)}`);
}

/** `ECONNREFUSED`, `WRONGPASS`, `READONLY`, `timed out`: enough to act on, and never an argument of a command. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error instanceof ReplyError) return /^[A-Z]+/.exec(error.message)?.[0] ?? 'unknown reply';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return /timed out|timeout/i.test(error.message) ? 'timed out' : 'not connected';
}
