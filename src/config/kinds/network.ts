import { isIP, isIPv4, isIPv6 } from 'node:net';
import { Invalid, type Kind, kind } from './kind.ts';

export interface HostAndPort {
  /** An IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

const HOST_AND_PORT = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;
const NUMBERS_AND_DOTS = /^[\d.]+$/;

/** Whether a text may stand as a host: a name, an IPv4 address, or an IPv6 address in brackets. */
export function isHost(host: string): boolean {
  if (host.startsWith('[')) return host.endsWith(']') && isIPv6(host.slice(1, -1));
  // Digits and dots that are no address (`10.0.0.256`, `127.1`) are a slip, not a name.
  return isIPv4(host) || (HOST_NAME.test(host) && !NUMBERS_AND_DOTS.test(host));
}

export function isPort(port: string): boolean {
  return /^\d{1,5}$/.test(port) && Number(port) <= 65_535;
}

/** Port 0 lets the system choose one. */
export const bindAddress: Kind<HostAndPort> = kind('HOST:PORT, an IPv6 address in brackets', (value) => {
  const match = HOST_AND_PORT.exec(value);
  if (match === null) return null;
  const [, v6, other, port = ''] = match;
  if (!isHost(v6 === undefined ? (other ?? '') : `[${v6}]`) || !isPort(port)) return null;
  return { host: v6 ?? other ?? '', port: Number(port) };
});

/** An address range. A single address is the range of itself, so that every value is `ADDRESS/BITS`. */
export const cidr: Kind<string> = kind('an address range such as 10.0.0.0/8 or fd00::/8', (value) => {
  const [address = '', bits, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return null;
  // A mapped range would match nothing: addresses of peers are brought to their IPv4 form first.
  if (family === 6 && /^::ffff:/i.test(address)) throw new Invalid('must be written in its IPv4 form');
  const width = family === 4 ? 32 : 128;
  if (bits === undefined) return `${address}/${width}`;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= width ? `${address}/${Number(bits)}` : null;
});

export interface UrlRules {
  readonly schemes: readonly ('http' | 'https')[];
  /** Only a proxy's URL may carry a user and a password; such a variable is secret. */
  readonly credentials?: 'allowed';
  readonly query?: 'allowed';
}

/**
 * An absolute URL, returned exactly as written: issuers are compared byte for byte. The WHATWG parser drops line breaks
 * and repairs backslashes, so these are refused before it sees them.
 */
export function url({ schemes, credentials, query }: UrlRules): Kind<string> {
  return kind(`a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`, (value) => {
    const authority = /^([a-z]+):\/\/([^/?#\s\\]+)/.exec(value);
    if (authority === null || /[\s\\]/.test(value) || !URL.canParse(value)) return null;
    if (!schemes.some((scheme) => scheme === authority[1])) return null;
    if (credentials === undefined && authority[2]?.includes('@')) {
      throw new Invalid('must not contain a user name or a password');
    }
    if (value.includes('#')) throw new Invalid('must not contain a fragment (#...)');
    if (query === undefined && value.includes('?')) throw new Invalid('must not contain a query (?...)');
    return value;
  });
}

const anyWeb = url({ schemes: ['https', 'http'] });
export const webUrl = anyWeb;

/** A URL to which paths are appended, hence without the slash at its end. */
export const baseUrl: Kind<string> = {
  form: anyWeb.form,
  parse: (value) => anyWeb.parse(value)?.replace(/\/+$/, '') ?? null,
};

export const hostPattern: Kind<string> = kind(
  'a host, a domain suffix such as .internal, an address range, or *',
  (value) => (/^[A-Za-z0-9_.*:[\]/-]{1,255}$/.test(value) ? value : null),
);
