import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../contract/errors.ts';
import type { Reply } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { healthRoutes, shared } from './health.ts';
import type { Pipeline } from './pipeline.ts';
import { answer, answerError } from './respond.ts';
import { createRouter } from './router.ts';

/**
 * What stands behind the listener: from the first moment health and version, and, once everything is up, the pipeline.
 * Until then every other request is told to come back.
 */
export class Gate {
  readonly #health: ReturnType<typeof createRouter>;
  #pipeline: Pipeline | null = null;
  #ready: () => Promise<Reply>;

  constructor(clock: Clock) {
    this.#ready = async () => ({
      status: 503,
      headers: { 'Retry-After': '1' },
      body: { status: 'not_ready', checks: {}, errors: { server: 'starting' } },
    });
    this.#health = createRouter(healthRoutes(clock, () => this.#ready()));
  }

  /** Lets requests through. */
  open(pipeline: Pipeline): void {
    this.#pipeline = pipeline;
  }

  /** Replaces what `GET /v1/health/ready` says. */
  setReadiness(ready: () => Promise<Reply>): void {
    this.#ready = shared(ready);
  }

  /** What `GET /v1/health/ready` says now. */
  readonly readiness = (): Promise<Reply> => this.#ready();

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    // Neither is meant to fail; should it, one connection pays and not the process.
    (this.#pipeline ?? this.#early)(request, response).catch(() => response.destroy());
  };

  readonly #early: Pipeline = async (request, response) => {
    const exchange = { requestId: newId('req'), response, bucket: null };
    try {
      const { route } = this.#health(request.method ?? 'GET', (request.url ?? '').split('?')[0] ?? '');
      if (route.effect === 'public') answer(exchange, await route.run());
    } catch {
      answerError(exchange, new ApiError('service_unavailable', { message: 'The server is starting.', retryAfter: 1 }));
    }
  };
}
