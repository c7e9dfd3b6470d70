import { Invalid, type Kind, kind } from './kind.ts';
import { isHost, isPort } from './network.ts';

// As in libpq without `allow`, which prefers no encryption.
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];
const ESCAPES = 'write special characters in names and passwords as %40 (@), %2F (/), %3F (?), %23 (#), %25 (%)';

function isDecodable(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** `postgresql://user:pass@host:5432/name?sslmode=...`. Errors tell the rule and never a part of the URL. */
export const databaseUrl: Kind<string> = kind('a URL postgresql://USER:PASSWORD@HOST:5432/DATABASE', (value) => {
  if (!/^postgres(?:ql)?:\/\//.test(value)) return null;
  const url = URL.parse(value);
  if (url === null || url.hash !== '') throw new Invalid(`is not a URL: ${ESCAPES}`);
  if (![url.username, url.password, url.pathname].every(isDecodable)) {
    throw new Invalid(`contains a % that begins no escape: ${ESCAPES}`);
  }
  // A socket's directory cannot stand where the host does: `postgresql:///name?host=/run/postgresql`.
  if (url.hostname === '' && !url.searchParams.get('host')) throw new Invalid('names no host');
  if (url.pathname.length < 2) throw new Invalid('names no database: end it with /DATABASE');
  if (!url.searchParams.getAll('sslmode').every((mode) => SSL_MODES.includes(mode))) {
    throw new Invalid(`has an unknown sslmode: use one of ${SSL_MODES.join(', ')}`);
  }
  return value;
});

/** Whether a valid database URL carries a password, at either of the two places where one may stand. */
export function hasPassword(databaseUrlText: string): boolean {
  const url = URL.parse(databaseUrlText);
  return url === null || url.password !== '' || url.searchParams.has('password');
}

const REDIS_URL = /^rediss?(\+sentinel|\+cluster)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?$/;
const REDIS_PATHS = { single: /^(?:\/\d{0,5})?$/, '+sentinel': /^\/[\w.-]+(?:\/\d{1,5})?$/, '+cluster': /^\/?$/ };

function isRedisHost(place: string): boolean {
  const match = /^(\[[^[\]]+\]|[^:[\]]+)(?::(\d+))?$/.exec(place);
  return match !== null && isHost(match[1] ?? '') && isPort(match[2] ?? '6379');
}

/** `redis[s][+sentinel|+cluster]://[user:pass@]host:port,...[/...]`. */
export const redisUrl: Kind<string> = kind('a URL redis://HOST:6379/0, rediss:// for TLS', (value) => {
  if (!/^rediss?(?:\+\w+)?:\/\//.test(value)) return null;
  const match = REDIS_URL.exec(value);
  if (match === null) throw new Invalid(`is not a URL: ${ESCAPES}`);
  const [, topology, userInfo = '', places = '', path = ''] = match;
  const hosts = places.split(',');
  if (!isDecodable(userInfo)) throw new Invalid(`contains a % that begins no escape: ${ESCAPES}`);
  if (!hosts.every(isRedisHost)) throw new Invalid('must name each server as HOST:PORT');
  if (topology === undefined && hosts.length > 1) {
    throw new Invalid('names several servers: begin it with redis+sentinel:// or redis+cluster://');
  }
  if (!REDIS_PATHS[(topology ?? 'single') as keyof typeof REDIS_PATHS].test(path)) {
    if (topology === '+sentinel') throw new Invalid('must end with the name of the master: /MASTER or /MASTER/0');
    throw new Invalid(
      topology === '+cluster' ? 'must not name a database: a cluster has one' : 'must end with a number: /0',
    );
  }
  return value;
});
