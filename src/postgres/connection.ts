import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { Client, type ClientBase, type ClientConfig, types } from 'pg';
import type { Secret } from '../lib/secret.ts';
import { within } from '../lib/time-limit.ts';
import { DatabaseRefused } from './database.ts';
import { isConnectionLoss } from './failures.ts';

export interface ConnectionSettings {
  readonly url: Secret<string>;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
}

/** The settings of `pg`, and what each new connection does before it is used. */
export interface ConnectionConfig extends ClientConfig {
  onConnect(client: ClientBase): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const GOODBYE_LIMIT_MS = 1_000;
const IDLE_IN_TRANSACTION_MS = 30_000;
// The server's own time-out comes first; this one is for a server that answers nothing at all.
const FROZEN_SERVER_MARGIN_MS = 2_000;

type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

function readRootCertificate(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new DatabaseRefused(`sslrootcert of the database URL cannot be read: ${file}`, { cause: error });
  }
}

/**
 * `sslmode` as in libpq: `require` encrypts and verifies only when a root certificate is given, and the root
 * certificate `system`, which stands for those of the runtime, verifies the host name too.
 */
function tlsOptions(mode: SslMode, rootCert: string | null): ConnectionOptions | false {
  if (mode === 'disable') return false;
  if (rootCert === 'system') return {};
  const ca = rootCert === null ? {} : { ca: readRootCertificate(rootCert) };
  if (mode === 'verify-full') return { ...ca };
  // A host name is not part of what verify-ca checks.
  if (mode === 'verify-ca' || rootCert !== null) return { ...ca, checkServerIdentity: () => undefined };
  return { rejectUnauthorized: false };
}

const INT8 = types.builtins.INT8;
const parsers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : format === 'binary' ? types.getTypeParser(oid, 'binary') : types.getTypeParser(oid, 'text'),
};

/**
 * The server's time limits are set by a statement and not in the start-up packet: PgBouncer refuses a packet with
 * settings that it does not know, and told to ignore them it would leave the connection without limits.
 */
function setLimits(statementTimeoutMs: number): ConnectionConfig['onConnect'] {
  const limits = [
    `SET statement_timeout = ${statementTimeoutMs}`,
    `SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`,
  ];
  return async (client) => {
    await client.query(limits.join('; '));
  };
}

function parse(settings: ConnectionSettings): { config: ConnectionConfig; mode: SslMode; rootCert: string | null } {
  const url = URL.parse(settings.url.reveal());
  // Said here, as the error of `new URL` carries the whole text with its password.
  if (url === null) throw new DatabaseRefused('the database URL is not a URL');
  const query = url.searchParams;
  const database = decodeURIComponent(url.pathname.slice(1));
  const config: ConnectionConfig = {
    host: query.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1'),
    port: Number(query.get('port') ?? (url.port || 5432)),
    user: decodeURIComponent(url.username) || 'postgres',
    application_name: query.get('application_name') ?? settings.applicationName,
    onConnect: setLimits(settings.statementTimeoutMs),
    query_timeout: settings.statementTimeoutMs + FROZEN_SERVER_MARGIN_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: parsers,
  };
  config.database = database || config.user || 'postgres';
  if (url.password !== '') config.password = decodeURIComponent(url.password);
  const options = query.get('options');
  if (options !== null) config.options = options;
  return {
    config,
    mode: (query.get('sslmode') ?? 'prefer') as SslMode,
    rootCert: query.get('sslrootcert'),
  };
}

/**
 * The settings of `pg` for a connection URL. For `sslmode=prefer`, libpq's default, the server is asked once whether it
 * speaks TLS, as `pg` cannot fall back by itself.
 */
export async function clientConfig(settings: ConnectionSettings): Promise<ConnectionConfig> {
  const { config, mode, rootCert } = parse(settings);
  const ssl = tlsOptions(mode, rootCert);
  if (mode !== 'prefer' || config.host?.startsWith('/'))
    return { ...config, ssl: config.host?.startsWith('/') ? false : ssl };
  const probe = new Client({ ...config, ssl });
  probe.on('error', () => {});
  try {
    await probe.connect();
    return { ...config, ssl };
  } catch (error) {
    if (error instanceof Error && /does not support SSL/.test(error.message)) return { ...config, ssl: false };
    throw error;
  } finally {
    await probe.end().catch((error: unknown) => {
      if (!isConnectionLoss(error)) throw error;
    });
  }
}

/** Says goodbye, and hangs up on a server that does not answer that. */
export function closeClient(client: Client): Promise<void> {
  return within(GOODBYE_LIMIT_MS, client.end(), () => hangUp(client));
}

/** Ends the connection at once; statements under way fail as with a lost one. */
export function hangUp(client: Client): void {
  // What `pg` does itself for a statement that never ends; its types do not show it.
  (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream.destroy();
}
