import type { AuditMeter } from '../audit/service.ts';
import { VERSION } from '../lib/version.ts';
import type { Database } from '../postgres/database.ts';
import { measuredDatabase } from '../postgres/measured.ts';
import type { RateLimiter } from '../ratelimit/service.ts';
import type { RedisClient } from '../redis/client.ts';
import { measuredRedis } from '../redis/measured.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { measureProcess } from '../telemetry/process-metrics.ts';
import { RequestMetrics } from './request-metrics.ts';

const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500] as const;

/** All that a server measures, from its first moment; each part is added when it is there. */
export class ServerMetrics {
  readonly requests: RequestMetrics;
  readonly audit: AuditMeter;
  readonly #metrics = new Metrics();
  readonly #stopProcess: () => void;
  #sealed = 1;

  /** @param tenants how many of them have series of their own */
  constructor(tenants: number) {
    const metrics = this.#metrics;
    this.#stopProcess = measureProcess(metrics, VERSION);
    metrics.reading('gauge', 'scaivault_sealed', 'Whether the process has no root key: 1 or 0.', () => this.#sealed);
    this.requests = new RequestMetrics(metrics, tenants);
    const sizes = metrics
      .histogram('scaivault_audit_batch_size', 'Entries of reads and denials stored together.', [], BATCH_SIZES)
      .with();
    const waits = metrics
      .histogram('scaivault_audit_wait_seconds', 'How long a read or denial waited until its entry was stored.')
      .with();
    this.audit = { stored: (entries) => sizes.observe(entries), waited: (seconds) => waits.observe(seconds) };
  }

  /** Whether the root key is there. */
  unsealed(): void {
    this.#sealed = 0;
  }

  database(db: Database): Database {
    const metrics = this.#metrics;
    const latency = metrics.histogram('scaivault_db_latency_seconds', 'From sending a statement to its answer.').with();
    metrics.reading('gauge', 'scaivault_db_pool_size', 'Connections that transactions may use.', () => {
      return db.poolStatus().size;
    });
    metrics.reading('gauge', 'scaivault_db_pool_available', 'Those of them that are free.', () => {
      return db.poolStatus().available;
    });
    return measuredDatabase(db, (seconds) => latency.observe(seconds));
  }

  redis(redis: RedisClient | null): RedisClient | null {
    if (redis === null) return null;
    const latency = this.#metrics
      .histogram('scaivault_redis_latency_seconds', 'From sending a script to its answer.')
      .with();
    return measuredRedis(redis, (seconds) => latency.observe(seconds));
  }

  rateLimits(limiter: RateLimiter): void {
    this.#metrics.reading(
      'counter',
      'scaivault_rate_limit_fallbacks_total',
      'Requests limited in process because Redis did not answer.',
      () => limiter.fallbacks,
    );
    this.#metrics.reading(
      'gauge',
      'scaivault_rate_limit_degraded',
      'Whether limits are kept in process because Redis does not answer: 1 or 0.',
      () => Number(limiter.degraded),
    );
  }

  /** In the text format of Prometheus. */
  readonly text = (): string => {
    this.requests.review();
    return this.#metrics.text();
  };

  stop(): void {
    this.#stopProcess();
  }
}
