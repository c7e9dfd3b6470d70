import type { ConfigFor } from '../config/load.ts';
import { identitySettings } from '../identity/settings.ts';
import type { Clock } from '../lib/clock.ts';
import { openCheckedDatabase } from '../postgres/pool.ts';
import { openMigrationSession } from '../postgres/session.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { OutsideWorld, ServerSettings } from './parts.ts';
import { readStartupFile } from './startup-files.ts';
import { tlsSettings } from './tls.ts';

/** What steers a server, out of the environment's variables. `dev` has the same ones. */
export function serverSettings(
  config: ConfigFor<'serve' | 'dev'>,
  baseUrl: string,
  instanceId: string,
  log: Log,
): ServerSettings {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  return {
    bind: config.BIND_ADDRESS,
    tls: certFile === undefined || keyFile === undefined ? null : tlsSettings({ certFile, keyFile }, log),
    metricsBind: config.METRICS_BIND_ADDRESS ?? null,
    metricsTenants: config.METRICS_TENANTS,
    baseUrl,
    trustedProxies: config.TRUSTED_PROXIES ?? [],
    maxConnections: config.MAX_CONNECTIONS,
    maxBodyBytes: config.MAX_BODY,
    rates: config.RATE_LIMITS,
    ceilings: config.RATE_CEILINGS,
    authFailures: config.RATE_LIMIT_AUTH_FAILURES,
    secrets: {
      retentionMs: config.SECRET_RETENTION,
      backupRetentionMs: config.BACKUP_RETENTION ?? null,
      destroyProtection: config.DESTROY_PROTECTION,
      maxValueBytes: config.MAX_BODY,
    },
    auditWriteLanes: config.AUDIT_WRITE_LANES,
    migrateOnStart: config.MIGRATE_ON_START,
    acceptSchemaAhead: config.ACCEPT_SCHEMA_AHEAD,
    readyRequiresRedis: config.READY_REQUIRES_REDIS,
    rootKeyFingerprint: config.ROOT_KEY_FINGERPRINT,
    startTimeoutMs: config.START_TIMEOUT,
    shutdownGraceMs: config.SHUTDOWN_GRACE,
    instanceId,
  };
}

/** PostgreSQL, Redis, the key service and the identity provider that the environment names. @throws FileUnusable */
export function productionWorld(config: ConfigFor<'serve'>, clock: Clock, log: Log): OutsideWorld {
  const caBundle =
    config.CA_BUNDLE_FILE === undefined ? undefined : readStartupFile('CA_BUNDLE_FILE', config.CA_BUNDLE_FILE);
  return {
    openDatabase: () =>
      openCheckedDatabase({
        url: config.DATABASE_URL,
        poolMax: config.DATABASE_POOL_MAX,
        statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT,
      }),
    openMigrationSession: () => openMigrationSession(config.DATABASE_MIGRATE_URL ?? config.DATABASE_URL),
    connectRedis: async () => {
      const { connectRedis } = await import('../redis/client.ts');
      return connectRedis({ url: config.REDIS_URL, log, ...(caBundle === undefined ? {} : { caBundle }) });
    },
    openKms: async () => (await import('../kms/open.ts')).openKms(config),
    openKeySource: async () => {
      const { openIssuerKeys } = await import('../identity/issuer-keys.ts');
      const keys = openIssuerKeys({
        issuer: config.SCAIKEY_URL,
        jwksUrl: config.SCAIKEY_JWKS_URL,
        clock,
        log,
        caBundle,
        httpsProxy: config.HTTPS_PROXY?.reveal(),
        noProxy: config.NO_PROXY?.join(','),
      });
      // Not awaited: the server starts without its issuer. A wrong one shows in the log now, not at the first token.
      keys.refreshDue().catch((error: unknown) => log.warn(errorFields(error), 'the issuer could not be asked'));
      return keys;
    },
    identity: identitySettings(config),
  };
}
