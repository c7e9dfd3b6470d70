import type { IdentityConfig, KeySource } from '../identity/service.ts';
import type { KmsProvider } from '../kms/provider.ts';
import type { Database } from '../postgres/database.ts';
import type { MigrationSession } from '../postgres/migration-session.ts';
import type { RateLimiterOptions } from '../ratelimit/service.ts';
import type { RedisClient } from '../redis/client.ts';
import type { SecretSettings } from '../secrets/service.ts';
import type { TlsSettings } from './tls.ts';

/** Where a server gets its outside world from: `production.ts` from services, `development.ts` from one directory. */
export interface OutsideWorld {
  /** @throws DatabaseUnavailable, DatabaseRefused, TransactionPooling */
  openDatabase(): Promise<Database>;
  openMigrationSession(): Promise<MigrationSession>;
  /** Null: this server is alone and needs none. */
  connectRedis(): Promise<RedisClient | null>;
  /** @throws KmsError */
  openKms(): Promise<KmsProvider>;
  openKeySource(): Promise<KeySource>;
  readonly identity: IdentityConfig;
}

/** What steers a server, in its own words rather than in those of the environment. */
export interface ServerSettings {
  readonly bind: { readonly host: string; readonly port: number };
  readonly tls: TlsSettings | null;
  /** Where the metrics are; null: on the main port, for a token with scope `admin`. */
  readonly metricsBind: { readonly host: string; readonly port: number } | null;
  /** Tenants with metrics of their own; the others share one. */
  readonly metricsTenants: number;
  readonly baseUrl: string;
  readonly trustedProxies: readonly string[];
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
  readonly rates: RateLimiterOptions['rates'];
  readonly ceilings: RateLimiterOptions['rates'];
  /** Tokens that fail to verify, for each source address; beyond that the answer is 429. */
  readonly authFailures: RateLimiterOptions['rates']['AUTH'];
  readonly secrets: SecretSettings;
  readonly auditWriteLanes: number;
  readonly migrateOnStart: boolean;
  readonly acceptSchemaAhead: boolean;
  readonly readyRequiresRedis: boolean;
  readonly rootKeyFingerprint: string | undefined;
  readonly startTimeoutMs: number;
  readonly shutdownGraceMs: number;
  /** Host name and start ULID. */
  readonly instanceId: string;
}
