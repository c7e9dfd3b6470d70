import Type from 'typebox';
import type { PublicRoute, Reply } from '../contract/route.ts';
import { Timestamp } from '../contract/schemas.ts';
import { type Clock, isoMillis } from '../lib/clock.ts';
import { within } from '../lib/time-limit.ts';
import { VERSION } from '../lib/version.ts';

export type CheckState = 'ok' | 'degraded' | 'failed';

/** One thing that readiness depends on. Answers within its own limit, whatever hangs. */
export interface ReadinessCheck {
  readonly name: 'database' | 'redis' | 'encryption';
  /** @returns the state and, where it is not `ok`, why, in words for an operator */
  probe(): Promise<{ readonly state: CheckState; readonly error?: string }>;
}

const PROBE_LIMIT_MS = 1_500;
const SHARED_FOR_MS = 250;

/**
 * One answer for all who ask while it is made and shortly after: readiness has no token, and a stranger must not reach
 * the database through it as often as he likes (CVE-2024-8185).
 */
export function shared<T>(work: () => Promise<T>, nowMs: () => number = () => performance.now()): () => Promise<T> {
  let answer: Promise<T> | null = null;
  let until = Number.POSITIVE_INFINITY;
  return () => {
    if (answer !== null && nowMs() < until) return answer;
    until = Number.POSITIVE_INFINITY;
    answer = work().finally(() => {
      until = nowMs() + SHARED_FOR_MS;
    });
    return answer;
  };
}

async function probe(check: ReadinessCheck) {
  const late = () => ({ state: 'failed', error: 'no answer in time' }) as const;
  try {
    return { name: check.name, ...(await within(PROBE_LIMIT_MS, check.probe(), late)) };
  } catch {
    return { name: check.name, state: 'failed' as const, error: 'the check itself failed; see the log' };
  }
}

/** Asks all checks side by side. */
export async function readiness(checks: readonly ReadinessCheck[], stopping: boolean): Promise<Reply> {
  const results = await Promise.all(checks.map(probe));
  const ready = !stopping && results.every(({ state }) => state !== 'failed');
  const degraded = results.filter(({ state }) => state === 'degraded').map(({ name }) => name);
  const errors = Object.fromEntries(results.flatMap(({ name, error }) => (error === undefined ? [] : [[name, error]])));
  return {
    status: ready ? 200 : 503,
    ...(ready ? {} : { headers: { 'Retry-After': '1' } }),
    body: {
      status: ready ? 'ready' : 'not_ready',
      checks: Object.fromEntries(results.map(({ name, state }) => [name, state])),
      ...(degraded.length > 0 ? { degraded } : {}),
      ...(Object.keys(errors).length > 0 ? { errors } : {}),
      ...(stopping ? { stopping: true } : {}),
    },
  };
}

const ReadyBody = Type.Object({
  status: Type.Enum(['ready', 'not_ready']),
  checks: Type.Record(Type.String(), Type.Enum(['ok', 'degraded', 'failed'])),
  degraded: Type.Optional(Type.Array(Type.String())),
  errors: Type.Optional(Type.Record(Type.String(), Type.String())),
  stopping: Type.Optional(Type.Boolean()),
});

/** The routes that answer while the process runs, whatever else is not there. */
export function healthRoutes(clock: Clock, ready: () => Promise<Reply>): readonly PublicRoute[] {
  const route = (path: string, summary: string, responses: PublicRoute['responses'], run: PublicRoute['run']) =>
    ({ effect: 'public', method: 'GET', path, summary, tag: 'health', responses, run }) as const;
  return [
    route(
      '/v1/health',
      'Whether the process runs; touches no dependency',
      { 200: { description: 'It runs', schema: Type.Object({ status: Type.String(), timestamp: Timestamp }) } },
      async () => ({ status: 200, body: { status: 'ok', timestamp: isoMillis(clock.nowMs()) } }),
    ),
    route(
      '/v1/health/ready',
      'Whether requests are served',
      {
        200: { description: 'Ready', schema: ReadyBody },
        503: { description: 'Not ready, with what is missing', schema: ReadyBody },
      },
      ready,
    ),
    route(
      '/v1/version',
      'Release of this server',
      { 200: { description: 'The release', schema: Type.Object({ version: Type.String() }) } },
      async () => ({ status: 200, body: { version: VERSION } }),
    ),
  ];
}
