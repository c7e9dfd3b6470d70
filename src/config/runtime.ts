import { PACKAGING } from '../lib/assets.ts';
import type { Environment } from './environment.ts';
import type { Problem } from './problems.ts';
import type { CommandName } from './variable.ts';

const AUTHORITY = 'trust an authority of your own by CA_BUNDLE_FILE';

/**
 * Variables of Node.js and OpenSSL that change, past our configuration, whom we trust, what code runs, or what is written
 * down about a connection. A server that finds one does not start: it would be obeyed, or somebody believes that it is.
 */
const REFUSED: Readonly<Record<string, string>> = {
  NODE_TLS_REJECT_UNAUTHORIZED: `switches off the verification of certificates: unset it, and ${AUTHORITY}`,
  NODE_DEBUG: 'prints requests with their tokens: unset it; LOG_LEVEL=debug says more, too, and no secret',
  NODE_DEBUG_NATIVE: 'prints what goes over connections: unset it',
  SSLKEYLOGFILE: 'asks for the keys of all TLS connections in a file: unset it',
  OPENSSL_CONF: 'loads settings and code into OpenSSL: unset it',
  OPENSSL_MODULES: 'loads code into OpenSSL: unset it',
  OPENSSL_ENGINES: 'loads code into OpenSSL: unset it',
};
/** Base images set these for every program, with the authorities of the system: no reason not to start. */
const MORE_TRUSTED = ['NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA'] as const;
/** Of these only one value does anything. */
const HARMFUL: Readonly<Record<string, string>> = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_USE_SYSTEM_CA: '1' };

const CONNECTING: readonly CommandName[] = ['serve', 'migrate'];

/** What is wrong with the environment of a command that talks to others. */
export function runtimeProblems(command: CommandName, env: Environment): readonly Problem[] {
  if (!CONNECTING.includes(command)) return [];
  return Object.entries(REFUSED)
    .filter(([name]) => hasEffect(name, env))
    .map(([variable, problem]) => ({ variable, problem, example: '' }));
}

/** What was set in vain, or does more than whoever set it may think of. */
export function runtimeWarnings(command: CommandName, env: Environment): readonly string[] {
  const deaf = PACKAGING === 'executable' && (env.NODE_OPTIONS ?? '') !== '';
  const trusting = CONNECTING.includes(command) ? MORE_TRUSTED.filter((name) => hasEffect(name, env)) : [];
  return [
    ...(deaf ? ['NODE_OPTIONS has no effect on this executable.'] : []),
    ...trusting.map((name) => `${name} adds authorities that are trusted. To say so where it is seen, ${AUTHORITY}.`),
  ];
}

function hasEffect(name: string, env: Environment): boolean {
  return (env[name] ?? '') !== '' && (HARMFUL[name] ?? env[name]) === env[name];
}
