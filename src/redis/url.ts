import { Secret } from '../lib/secret.ts';

/** Where a single Redis is and how to sign in to it. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly db: number;
  readonly username: string | null;
  readonly password: Secret<string> | null;
}

/** `REDIS_URL` cannot be used. The message names what is wrong and never repeats the URL, which holds a password. */
export class RedisUrlError extends Error {
  override readonly name = 'RedisUrlError';
}

const DEFAULT_PORT = 6379;
const FORM = 'Write redis://[user:password@]host[:port][/db], or rediss:// for TLS.';

/** Reads `redis[s]://[user:password@]host[:port][/db]`; user and password are percent-decoded. @throws RedisUrlError */
export function parseRedisUrl(secret: Secret<string>): RedisAddress {
  // `new URL` would throw an error that carries its whole input.
  const url = URL.parse(secret.reveal());
  if (url === null) throw new RedisUrlError(`REDIS_URL is not a URL. ${FORM}`);
  if (url.protocol === 'redis+sentinel:' || url.protocol === 'redis+cluster:') {
    throw new RedisUrlError(`REDIS_URL names a Sentinel or Cluster, which this release does not support yet. ${FORM}`);
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new RedisUrlError(`REDIS_URL does not begin with redis:// or rediss://. ${FORM}`);
  }
  if (url.hostname === '') throw new RedisUrlError(`REDIS_URL names no host. ${FORM}`);
  if (url.search !== '' || url.hash !== '') throw new RedisUrlError(`REDIS_URL takes no parameters. ${FORM}`);
  const username = decode(url.username);
  const password = decode(url.password);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    tls: url.protocol === 'rediss:',
    db: parseDb(url.pathname),
    username: username === '' ? null : username,
    password: password === '' ? null : new Secret(password),
  };
}

function parseDb(pathname: string): number {
  if (pathname === '' || pathname === '/') return 0;
  if (!/^\/\d{1,5}$/.test(pathname)) throw new RedisUrlError(`The database in REDIS_URL is not a number. ${FORM}`);
  return Number(pathname.slice(1));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RedisUrlError(`User or password in REDIS_URL is not percent-encoded properly. ${FORM}`);
  }
}
