/** Puts a server together and takes it apart again, in the order of spec 07. */
import { type AuditService, createAuditService, systemDraft } from '../audit/service.ts';
import { createIdentityService, type IdentityService } from '../identity/service.ts';
import { startJobs } from '../jobs/schedule.ts';
import { createKeyring, type Keyring } from '../keys/keyring.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { within } from '../lib/time-limit.ts';
import { VERSION } from '../lib/version.ts';
import { createPolicyService, type PolicyService } from '../policy/service.ts';
import type { Database } from '../postgres/database.ts';
import { HEARTBEAT_MS, liveProcesses } from '../ratelimit/live-processes.ts';
import { redisBuckets } from '../ratelimit/redis-buckets.ts';
import { createRateLimiter } from '../ratelimit/service.ts';
import {
  ACCESS_TIMES_EVERY_MS,
  createSecretsService,
  SWEEP_EVERY_MS as SECRETS_SWEEP_EVERY_MS,
} from '../secrets/service.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { metricsOfAll } from '../telemetry/worker-metrics.ts';
import { Gate } from './gate.ts';
import { readiness } from './health.ts';
import { createOnce } from './idempotency/once.ts';
import { type Listener, openListener } from './listener.ts';
import { openMetricsListener } from './metrics.ts';
import type { OutsideWorld, ServerSettings } from './parts.ts';
import { createPipeline } from './pipeline.ts';
import { readinessChecks } from './readiness.ts';
import { createRouter } from './router.ts';
import { routeTable } from './routes.ts';
import { ServerMetrics } from './server-metrics.ts';
import { trustedProxies } from './source-address.ts';
import { establishPatiently, migrateSchema, openDatabase, stepLogger } from './startup.ts';

export interface RunningServer {
  readonly port: number;
  /** Null: the metrics are on the same port. */
  readonly metricsPort: number | null;
  /** Stops accepting, lets running requests finish, stores what is waiting. */
  stop(reason: string): Promise<void>;
  /** Stores what is waiting, and no more: for the end after an error or a second signal. */
  flush(): Promise<void>;
}

/** What set-up code works with; a request never does. */
export interface Modules {
  readonly db: Database;
  readonly clock: Clock;
  readonly keyring: Keyring;
  readonly audit: AuditService;
  readonly identity: IdentityService;
  readonly policies: PolicyService;
}

/** For each of the last steps of a stop: a database that hangs must not keep the process. */
const LAST_STEP_MS = 2_000;
const PARTITIONS_EVERY_MS = 6 * 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;

/**
 * Starts a server and returns when it is ready.
 * @param beforeReady what has to be done once everything is up and before the first request is let in
 * @throws what hindered it; nothing is left open then
 */
export async function startServer(
  settings: ServerSettings,
  world: OutsideWorld,
  log: Log,
  beforeReady: (modules: Modules, port: number) => Promise<void> = async () => {},
): Promise<RunningServer> {
  const step = stepLogger(log);
  const clock = systemClock();
  const gate = new Gate(clock);
  // What was opened is closed in the opposite order.
  await using opened = new AsyncDisposableStack();

  const metrics = new ServerMetrics(settings.metricsTenants);
  opened.defer(() => metrics.stop());
  const metricsText = metricsOfAll(metrics.text);
  const { tls, maxConnections, metricsBind } = settings;
  const listener = await step('listener', () => openListener({ ...settings.bind, tls, maxConnections }, gate.handle));
  opened.defer(() => listener.stop(0));
  const metricsListener =
    metricsBind === null ? null : await step('metrics listener', () => openMetricsListener(metricsBind, metricsText));
  opened.defer(() => metricsListener?.stop(0));
  if (metricsListener !== null) {
    log.info({ address: `${metricsBind?.host}:${metricsListener.address.port}` }, 'metrics are served');
  }
  const db = metrics.database(await step('postgresql', () => openDatabase(world, settings, log)));
  opened.defer(() => db.close());
  const schema = await step('migrations', () => migrateSchema(world, settings, log));
  const redis = metrics.redis(await step('redis', () => world.connectRedis()));
  opened.defer(() => redis?.close());
  const kms = await world.openKms();
  opened.defer(() => kms.close());
  const roots = await step('root key', () => establishPatiently(db, kms, settings, log));
  const keyring = createKeyring({
    db,
    root: roots,
    actor: 'serve',
    alarm: (error) => log.error(errorFields(error), 'a key row claims to be active and cannot prove it'),
  });
  opened.defer(() => keyring.close());
  metrics.unsealed();

  const audit = createAuditService({
    db,
    clock,
    instanceId: settings.instanceId,
    writeLanes: settings.auditWriteLanes,
    meter: metrics.audit,
  });
  // Without them the default partition takes the entries: no reason not to serve.
  await audit.ensurePartitions().catch((error: unknown) => log.error(errorFields(error), 'no new audit partitions'));
  const keySource = await world.openKeySource();
  const identity = createIdentityService({ db, audit, clock, config: world.identity, keySource, log });
  opened.defer(() => identity.close());
  const policies = createPolicyService({
    db,
    audit,
    clock,
    identities: identity,
    addressesHidden: () => metrics.requests.sawUntrustedForwarding,
  });
  const store = redis === null ? null : redisBuckets(redis);
  const processes = redis === null ? null : liveProcesses(redis, settings.instanceId);
  await processes?.beat();
  opened.defer(() => processes?.leave());
  const limiter = createRateLimiter({
    store,
    rates: settings.rates,
    ceilings: settings.ceilings,
    liveProcesses: () => processes?.count ?? 1,
    log,
  });
  opened.defer(() => limiter.close());
  metrics.rateLimits(limiter);
  const cursorKey = keyring.macKey('cursor');
  const mac = (message: Buffer) => cursorKey.mac('scaivault/cursor', message);
  const secrets = createSecretsService({ db, keyring, audit, clock, settings: settings.secrets, mac });

  await audit.record(
    systemDraft(clock, {
      action: 'process_start',
      extra: {
        release: VERSION,
        root_key_fingerprint: roots.fingerprint,
        root_key_made: roots.made,
        ...(schema.ahead ? { schema_ahead: true } : {}),
      },
    }),
    { success: true },
  );
  if (roots.made) log.warn({ fingerprint: roots.fingerprint }, 'a root key was made; note its fingerprint');
  await identity.ensureDefaultTenant();
  await beforeReady({ db, clock, keyring, audit, identity, policies }, listener.address.port);

  const checks = readinessChecks(db, redis, settings);
  gate.setReadiness(() => readiness(checks, false));
  const idempotencyKey = keyring.macKey('idempotency');
  const once = createOnce({ db, audit, mac: (message) => idempotencyKey.mac('scaivault/idempotency', message) });
  const routes = routeTable({
    clock,
    metrics: metricsListener === null ? metricsText : null,
    ready: gate.readiness,
    baseUrl: settings.baseUrl,
    mac,
    db,
    identity,
    policies,
    secrets,
  });
  gate.open(
    createPipeline({
      router: createRouter(routes),
      identity,
      policies,
      limiter,
      audit,
      once,
      metrics: metrics.requests,
      clock,
      log,
      isTrusted: trustedProxies(settings.trustedProxies),
      maxBodyBytes: settings.maxBodyBytes,
      authFailures: settings.authFailures,
    }),
  );
  const jobs = startJobs(
    [
      { name: 'audit partitions', everyMs: PARTITIONS_EVERY_MS, run: () => audit.ensurePartitions() },
      { name: 'secret retention', everyMs: SECRETS_SWEEP_EVERY_MS, run: () => secrets.sweep() },
      { name: 'idempotency', everyMs: SWEEP_EVERY_MS, run: () => once.sweep() },
      { name: 'access times', everyMs: ACCESS_TIMES_EVERY_MS, atStop: true, run: () => secrets.storeAccessTimes() },
      { name: 'heartbeat', everyMs: HEARTBEAT_MS, run: async () => processes?.beat() },
    ],
    log,
  );

  const closeAll = opened.move();
  return {
    port: listener.address.port,
    metricsPort: metricsListener?.address.port ?? null,
    flush: () => audit.flush(),
    stop: async (reason) => {
      gate.setReadiness(() => readiness(checks, true));
      await stopListener(listener, settings, log);
      await briefly('jobs', jobs.stop(), log);
      await briefly('process_stop', recordStop(audit, clock, reason, log), log);
      await briefly('connections', closeAll.disposeAsync(), log);
    },
  };
}

async function stopListener(listener: Listener, settings: ServerSettings, log: Log): Promise<void> {
  const started = performance.now();
  await listener.stop(settings.shutdownGraceMs);
  log.info({ step: 'listener', duration_ms: Math.round(performance.now() - started) }, 'stopped');
}

function briefly(step: string, work: Promise<void>, log: Log): Promise<void> {
  return within(LAST_STEP_MS, work, () => log.warn({ step }, 'hangs at the stop; going on without it'));
}

async function recordStop(audit: AuditService, clock: Clock, reason: string, log: Log): Promise<void> {
  try {
    await audit.record(systemDraft(clock, { action: 'process_stop', extra: { reason } }), { success: true });
    await audit.flush();
  } catch (error) {
    log.error(errorFields(error), 'the audit entry of this stop could not be stored');
  }
}
