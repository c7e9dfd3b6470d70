import { isIPv6 } from 'node:net';
import type { Environment } from './environment.ts';
import type { Flags } from './flags.ts';
import type { HostAndPort } from './kinds/network.ts';
import { ConfigError, problemWith } from './problems.ts';
import { readSetting } from './settings.ts';

/** Where the server of this machine can be reached from this machine. */
export interface LocalAddress extends HostAndPort {
  readonly tls: boolean;
}

/** "Every address" is nowhere to connect to; loopback is one of them. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  // As many spellings as there are, the parser of URLs knows one.
  return isIPv6(host) && new URL(`http://[${host}]`).hostname === '[::]' ? '::1' : host;
}

/** From `BIND_ADDRESS` and `TLS_CERT_FILE`; whatever else is wrong with the configuration is not asked. @throws ConfigError */
export function localAddress(env: Environment, flags: Flags = {}): LocalAddress {
  const bind = readSetting('config', 'BIND_ADDRESS', env, flags);
  if (bind.problem !== null) throw new ConfigError([bind.problem]);
  const { host, port } = bind.value as HostAndPort;
  if (port === 0) {
    throw new ConfigError([problemWith('BIND_ADDRESS', 'has port 0, so that nobody knows where the server listens')]);
  }
  const tls = readSetting('config', 'TLS_CERT_FILE', env, flags).source !== null;
  return { host: reachable(host), port, tls };
}
