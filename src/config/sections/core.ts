import {
  boolean,
  choice,
  duration,
  filePath,
  integer,
  list,
  matching,
  orWord,
  secretText,
  size,
} from '../kinds/basic.ts';
import { databaseUrl, redisUrl } from '../kinds/databases.ts';
import { baseUrl, bindAddress, cidr, hostPattern, url, webUrl } from '../kinds/network.ts';
import type { Section } from '../variable.ts';

export const CORE = {
  DATABASE_URL: {
    kind: databaseUrl,
    secret: true,
    requiredBy: ['serve', 'migrate'],
    meaning:
      'PostgreSQL 14 or later. `sslmode` is `disable`, `prefer` (default), `require`, `verify-ca` or `verify-full`, with `sslrootcert`. The flag `--database-url` takes it without a password.',
    example: 'postgresql://scaivault:PASSWORD@db.internal:5432/scaivault?sslmode=verify-full',
  },
  DATABASE_MIGRATE_URL: {
    kind: databaseUrl,
    secret: true,
    meaning: 'The owner of the schema, for migrations only. Unset: `DATABASE_URL`.',
    example: 'postgresql://scaivault_owner:PASSWORD@db.internal:5432/scaivault',
  },
  DATABASE_URL_READ: {
    kind: list(databaseUrl, { form: 'database URLs, separated by commas' }),
    secret: true,
    meaning: 'Read replicas, for audit queries and reports.',
    example: 'postgresql://scaivault:PASSWORD@replica.internal:5432/scaivault',
  },
  DATABASE_READ_MAX_LAG: {
    kind: duration('1s', '1h'),
    default: '5s',
    meaning: 'A replica further behind than this is left out until it has caught up.',
    example: '5s',
  },
  DATABASE_POOL_MAX: {
    kind: integer(1, 1000),
    default: '20',
    meaning: 'Connections for transactions, a process.',
    example: '20',
  },
  DATABASE_STATEMENT_TIMEOUT: {
    kind: duration('1s', '1h'),
    default: '10s',
    meaning: 'PostgreSQL ends a statement that takes longer.',
    example: '10s',
  },
  REDIS_URL: {
    kind: redisUrl,
    secret: true,
    requiredBy: ['serve'],
    meaning:
      'Redis 7 or later: `redis://`, `rediss://` for TLS, `redis+sentinel://h1:26379,h2:26379/MASTER/0`, `redis+cluster://h1:6379,h2:6379`.',
    example: 'redis://redis.internal:6379/0',
  },
  REDIS_SENTINEL_PASSWORD: {
    kind: secretText,
    secret: true,
    meaning: 'Towards the sentinels. Unset: none is sent.',
    example: 'PASSWORD',
  },
  READY_REQUIRES_REDIS: {
    kind: boolean,
    default: 'false',
    meaning: 'Whether `/v1/health/ready` says no without Redis. Otherwise it is ready and says that it is degraded.',
    example: 'true',
  },
  BASE_URL: {
    kind: baseUrl,
    requiredBy: ['serve'],
    meaning: 'The public URL, as clients write it.',
    example: 'https://vault.example.com',
  },
  BIND_ADDRESS: {
    kind: bindAddress,
    default: '0.0.0.0:8443',
    meaning: 'Where to listen; short flag `--bind`.',
    example: '[::1]:8443',
  },
  METRICS_BIND_ADDRESS: {
    kind: bindAddress,
    meaning: 'A listener of its own for `/v1/metrics`. Unset: the main port, with scope `admin`.',
    example: '127.0.0.1:9464',
  },
  METRICS_TENANTS: {
    kind: integer(0, 10_000),
    default: '500',
    meaning: 'The busiest tenants have metrics of their own; the others are counted together, as `other`.',
    example: '500',
  },
  TRUSTED_PROXIES: {
    kind: list(cidr, { form: 'address ranges, separated by commas' }),
    meaning: 'Whose `X-Forwarded-For` is believed; decides the source address for policies and audit. Unset: nobody.',
    example: '10.0.0.0/8,fd00::/8',
  },
  TLS_CERT_FILE: {
    kind: filePath,
    meaning: 'PEM chain of the server, with `TLS_KEY_FILE`. Unset: plain HTTP, behind something that speaks TLS.',
    example: '/etc/scaivault/tls.crt',
  },
  TLS_KEY_FILE: { kind: filePath, meaning: 'PEM private key of the server.', example: '/etc/scaivault/tls.key' },
  TLS_CLIENT_CA_FILE: {
    kind: filePath,
    meaning: 'Authorities whose client certificates are demanded on top of the token, on every route but health.',
    example: '/etc/scaivault/client-ca.crt',
  },
  TLS_CLIENT_CRL_FILE: {
    kind: filePath,
    meaning: 'Revoked client certificates.',
    example: '/etc/scaivault/client-ca.crl',
  },
  MAX_BODY: { kind: size('1KiB', '64MiB'), default: '1MiB', meaning: 'The largest request body.', example: '1MiB' },
  MAX_CONNECTIONS: {
    kind: integer(1, 1_000_000),
    default: '20000',
    meaning: 'Open client connections, a process.',
    example: '20000',
  },
  MIGRATE_ON_START: {
    kind: boolean,
    default: 'true',
    meaning: 'Whether `serve` migrates a database that is behind; short flag `--no-migrate`.',
    example: 'false',
  },
  ACCEPT_SCHEMA_AHEAD: {
    kind: boolean,
    default: 'false',
    meaning: 'Serve a database that a newer release has migrated, if its migrations allow that.',
    example: 'true',
  },
  START_TIMEOUT: {
    kind: duration('1s', '1d'),
    default: '2m',
    meaning: 'How long `serve` waits for PostgreSQL and for migrations by others.',
    example: '2m',
  },
  SHUTDOWN_GRACE: {
    kind: duration('0s', '1h'),
    default: '25s',
    meaning: 'How long requests may still run after a signal to stop.',
    example: '25s',
  },
  SERVE_PROCESSES: {
    kind: orWord(integer(1, 1024), 'auto'),
    default: '1',
    meaning: 'Processes that share the port, each with its own connections; `auto` is one a core.',
    example: 'auto',
  },
  LOG_LEVEL: {
    kind: choice('info', 'debug', 'warn', 'error'),
    default: 'info',
    meaning: 'The least important lines that are still logged.',
    example: 'info',
  },
  LOG_FORMAT: { kind: choice('json', 'text'), default: 'json', meaning: 'How log lines look.', example: 'text' },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: webUrl,
    meaning: 'Where traces go. Unset: nowhere.',
    example: 'http://otel-collector.internal:4318',
  },
  CA_BUNDLE_FILE: {
    kind: filePath,
    meaning: 'PEM authorities trusted beside the built-in ones, for every outgoing connection.',
    example: '/etc/scaivault/ca.crt',
  },
  HTTPS_PROXY: {
    kind: url({ schemes: ['http', 'https'], credentials: 'allowed' }),
    secret: true,
    meaning: 'Proxy for outgoing HTTPS; never for PostgreSQL, Redis, link-local or loopback. May hold a password.',
    example: 'http://proxy.internal:3128',
  },
  NO_PROXY: {
    kind: list(hostPattern, { form: 'hosts, separated by commas' }),
    meaning: 'Hosts that are reached without the proxy.',
    example: 'localhost,.internal,10.0.0.0/8',
  },
  SECRET_RETENTION: {
    kind: duration('0s', '36500d'),
    default: '30d',
    meaning: 'How long a deleted or superseded secret can be brought back.',
    example: '30d',
  },
  BACKUP_RETENTION: {
    kind: duration('0s', '36500d'),
    meaning:
      'How long you keep backups. What is destroyed is in them until then: answers say so as `unrecoverable_after`. Unset: not known.',
    example: '35d',
  },
  DESTROY_PROTECTION: {
    kind: boolean,
    default: 'true',
    meaning:
      'Whether destroying for good takes the permission `admin` on the path or the role `tenant_admin`, beside `delete`.',
    example: 'false',
  },
  AUDIT_RETENTION: {
    kind: duration('1d', '36500d'),
    default: '2557d',
    meaning: 'How long audit entries are kept: seven years.',
    example: '365d',
  },
  AUDIT_ARCHIVE: {
    kind: boolean,
    default: 'false',
    meaning: 'Whether audit entries go to the object store before they are dropped.',
    example: 'true',
  },
  AUDIT_WRITE_LANES: {
    kind: integer(1, 64),
    default: '4',
    meaning: 'Hash chains that changes may write at the same time.',
    example: '4',
  },
  CHECKPOINT_PIN: {
    kind: matching(
      'an absolute path, or a URL s3://, gs:// or https:// without credentials',
      /^(?:\/\S*|(?:s3|gs|https):\/\/[^\s@]+)$/,
    ),
    meaning: 'A file or object-store URL outside the database that remembers the newest audit checkpoint.',
    example: '/var/lib/scaivault/pin',
  },
} as const satisfies Section;
