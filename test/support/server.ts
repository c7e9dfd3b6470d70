import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigFor, loadConfig } from '../../src/config/load.ts';
import { productionWorld, serverSettings } from '../../src/http/production.ts';
import { startServer as start } from '../../src/http/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ulid } from '../../src/lib/ids.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import { startIssuer, type TestIssuerServer } from './issuer.ts';
import { createDatabase } from './postgres.ts';
import { redisUrl } from './redis.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

/** Answer of a request, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look into what came; its shape is what they test.
  // biome-ignore lint/suspicious/noExplicitAny: a JSON body of any route
  readonly body: any;
  readonly text: string;
}

export interface Asked {
  readonly token?: string | null;
  readonly body?: unknown;
  /** Sent as it is, with a JSON content type unless the headers say otherwise. */
  readonly raw?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The environment of a server of its own: fresh database, key file, issuer. Nothing is started but the issuer. */
export interface TestEnvironment {
  readonly env: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly issuer: TestIssuerServer;
  readonly keyFile: string;
  /** Names that no other test uses: rate buckets in Redis are shared by all. */
  readonly tenantId: string;
  readonly partnerId: string;
  /** Subject that becomes super_admin at its first request. */
  readonly adminSub: string;
  remove(): Promise<void>;
}

export interface TestServer extends TestEnvironment {
  readonly url: string;
  readonly port: number;
  /** Null: the metrics are on the main port. */
  readonly metricsPort: number | null;
  readonly log: LogLine[];
  /** A token of a user of {@link TestEnvironment.tenantId}, with every scope, unless the claims say otherwise. */
  token(claims?: Readonly<Record<string, unknown>>): string;
  /** The super_admin's token: it may administer policies, and reads no secret. */
  adminToken(): string;
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** Makes a policy with these rules and binds it to a subject; `user:<sub>` by default the one of {@link token}. */
  allow(rules: readonly object[], identityId?: string, tenantId?: string): Promise<string>;
  stop(): Promise<void>;
}

const ALL_SCOPES =
  'secrets:read secrets:write secrets:delete secrets:list policies:read policies:write audit:read identity:read identity:admin';

/** @param overrides variables to add, or to take away by giving them as empty */
export async function testEnvironment(overrides: Readonly<Record<string, string>> = {}): Promise<TestEnvironment> {
  const [database, issuer] = await Promise.all([createDatabase(), startIssuer()]);
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-test-'));
  const keyFile = join(directory, 'kms.key');
  await writeFile(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const unique = randomBytes(6).toString('hex');
  const [tenantId, partnerId, adminSub] = [`tnt_${unique}`, `ptn_${unique}`, `usr_admin_${unique}`];
  return {
    env: {
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl(),
      SCAIKEY_URL: issuer.issuer,
      SCAIKEY_AUDIENCE: 'scaivault',
      CA_BUNDLE_FILE: issuer.caFile,
      BASE_URL: 'https://vault.example.test',
      BIND_ADDRESS: '127.0.0.1:0',
      KMS_PROVIDER: 'local',
      KMS_ALLOW_LOCAL: 'true',
      KMS_LOCAL_KEY_FILE: keyFile,
      DEFAULT_TENANT_ID: tenantId,
      DEFAULT_PARTNER_ID: partnerId,
      TENANT_AUTOCREATE: 'true',
      BOOTSTRAP_SUPER_ADMIN: `sub:${adminSub}`,
      START_TIMEOUT: '5s',
      SHUTDOWN_GRACE: '5s',
      ...overrides,
    },
    databaseUrl: database.url,
    issuer,
    keyFile,
    tenantId,
    partnerId,
    adminSub,
    remove: async () => {
      await issuer.close();
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
}

function recordingLog(lines: LogLine[]): Log {
  const at = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

async function request(url: string, method: string, path: string, asked: Asked): Promise<Answer> {
  const body = asked.raw ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
  const headers: Record<string, string> = {};
  if (asked.token !== null && asked.token !== undefined) headers.authorization = `Bearer ${asked.token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(new URL(url + path), {
    method,
    headers: { ...headers, ...asked.headers },
    ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
    redirect: 'manual',
  });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}

/** What a client of a running server does; for servers in this process and in others. */
export function client(environment: TestEnvironment, url: string) {
  const token = (claims: Readonly<Record<string, unknown>> = {}) =>
    environment.issuer.mint({ sub: 'usr_alice', tenant_id: environment.tenantId, scope: ALL_SCOPES, ...claims });
  const adminToken = () => token({ sub: environment.adminSub });
  const ask = (method: string, path: string, { token: own, ...rest }: Asked = {}) =>
    request(url, method, path, { token: own === undefined ? token() : own, ...rest });
  return {
    token,
    adminToken,
    ask,
    allow: async (rules: readonly object[], identityId = 'user:usr_alice', tenantId = environment.tenantId) => {
      const admin = { token: adminToken(), headers: { 'x-tenant-id': tenantId } };
      const name = `test-${ulid()}`;
      const made = await ask('POST', '/v1/policies', { ...admin, body: { name, rules } });
      if (made.status !== 201) throw new Error(`policy not made: ${made.text}`);
      const identityType = identityId.startsWith('sa:')
        ? 'service_account'
        : identityId.split(/[:_]/)[0] === 'group'
          ? 'group'
          : 'user';
      const body = { identity_type: identityType, identity_id: identityId };
      const bound = await ask('POST', `/v1/policies/${made.body.id}/bindings`, { ...admin, body });
      if (bound.status !== 201) throw new Error(`policy not bound: ${bound.text}`);
      return made.body.id as string;
    },
  };
}

/**
 * A whole server in this process on real parts: its own database, the run's Redis, an issuer over HTTPS. The pipeline
 * is the one of production.
 */
export async function startTestServer(overrides: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const environment = await testEnvironment(overrides);
  const config: ConfigFor<'serve'> = loadConfig('serve', environment.env);
  const log: LogLine[] = [];
  const recording = recordingLog(log);
  const settings = serverSettings(config, config.BASE_URL, `test-${ulid()}`, recording);
  const server = await start(settings, productionWorld(config, systemClock(), recording), recording).catch(
    async (error: unknown) => {
      await environment.remove();
      throw error;
    },
  );
  const url = `http://127.0.0.1:${server.port}`;
  return {
    ...environment,
    ...client(environment, url),
    url,
    port: server.port,
    metricsPort: server.metricsPort,
    log,
    stop: async () => {
      await server.stop('test');
      await environment.remove();
    },
  };
}
