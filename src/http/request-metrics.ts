import type { ApiError } from '../contract/errors.ts';
import type { Route } from '../contract/route.ts';
import { BusiestTenants } from '../telemetry/busiest-tenants.ts';
import type { Count, Measurements, Metrics, Series } from '../telemetry/metrics.ts';
import type { Executed, Reached } from './exchange.ts';

/** A client that was gone before it could be answered: no status of HTTP. */
const CLIENT_GONE = 499;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Changes that append a version to a secret. */
const WRITES: ReadonlySet<string> = new Set(['write', 'rollback']);

/** The series of one route, found once. */
interface RouteSeries {
  readonly duration: Measurements;
  readonly byStatus: Map<number, Count>;
}

/** Counts what goes through the pipeline (spec 07, "Metrics"; `docs/observe.md`). */
export class RequestMetrics {
  readonly #requests: Series<Count>;
  readonly #duration: Series<Measurements>;
  readonly #limited: Series<Count>;
  readonly #unauthenticated: Series<Count>;
  readonly #forwardedUntrusted: Count;
  readonly #reads: Series<Count>;
  readonly #writes: Series<Count>;
  readonly #tenants: BusiestTenants;
  readonly #byRoute = new Map<Route, RouteSeries>();
  #active = 0;
  #sawUntrustedForwarding = false;

  /** @param tenants how many of them have series of their own */
  constructor(metrics: Metrics, tenants: number) {
    this.#requests = metrics.counter('scaivault_requests_total', 'Requests that were answered.', [
      'method',
      'path_category',
      'status',
    ]);
    this.#duration = metrics.histogram(
      'scaivault_request_duration_seconds',
      'From the arrival of the head of a request to its answer.',
      ['method', 'path_category'],
    );
    metrics.reading('gauge', 'scaivault_active_requests', 'Requests under way.', () => this.#active);
    this.#limited = metrics.counter('scaivault_rate_limit_hits_total', 'Requests refused by a rate limit.', [
      'category',
    ]);
    this.#unauthenticated = metrics.counter(
      'scaivault_authentication_failures_total',
      'Requests without a valid token, by error code.',
      ['code'],
    );
    this.#forwardedUntrusted = metrics
      .counter(
        'scaivault_forwarded_untrusted_total',
        'Requests with forwarding headers from a peer outside TRUSTED_PROXIES, whose source address is unknown.',
      )
      .with();
    this.#reads = metrics.counter('scaivault_secret_reads_total', 'Values of secrets given out.', [
      'tenant',
      'secret_type',
    ]);
    this.#writes = metrics.counter('scaivault_secret_writes_total', 'Versions of secrets written.', ['tenant']);
    this.#tenants = new BusiestTenants(tenants, (tenantId) => {
      this.#reads.forget(tenantId);
      this.#writes.forget(tenantId);
    });
  }

  /** Since this process started: rules about addresses may not do then what their author expects. */
  get sawUntrustedForwarding(): boolean {
    return this.#sawUntrustedForwarding;
  }

  /** To be called before the text is made. */
  review(): void {
    this.#tenants.review();
  }

  begun({ source }: Reached): void {
    this.#active++;
    if (!source.forwardedUntrusted) return;
    this.#forwardedUntrusted.add();
    this.#sawUntrustedForwarding = true;
  }

  executed({ route, tenant, reply, replayed }: Executed): void {
    if (reply.valuesOf !== undefined) {
      for (const type of reply.valuesOf) this.#reads.with(this.#tenants.nameFor(tenant.tenantId), type).add();
    } else if (route.effect === 'change' && !replayed && WRITES.has(route.action)) {
      this.#writes.with(this.#tenants.nameFor(tenant.tenantId)).add();
    }
  }

  refused({ status, code, details }: ApiError): void {
    if (status === 401) this.#unauthenticated.with(code).add();
    else if (code === 'rate_limited') this.#limited.with(String(details?.category)).add();
  }

  ended({ match, method, response }: Reached, seconds: number): void {
    this.#active--;
    const status = response.headersSent ? response.statusCode : CLIENT_GONE;
    if (match === undefined) {
      this.#requests.with(METHODS.has(method) ? method : 'other', 'none', String(status)).add();
      return;
    }
    const series = this.#seriesOf(match.route);
    series.duration.observe(seconds);
    let count = series.byStatus.get(status);
    if (count === undefined) {
      count = this.#requests.with(match.route.method, match.route.tag, String(status));
      series.byStatus.set(status, count);
    }
    count.add();
  }

  #seriesOf(route: Route): RouteSeries {
    const known = this.#byRoute.get(route);
    if (known !== undefined) return known;
    const made = { duration: this.#duration.with(route.method, route.tag), byStatus: new Map<number, Count>() };
    this.#byRoute.set(route, made);
    return made;
  }
}
