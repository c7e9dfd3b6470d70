import { type Database, ping } from '../postgres/database.ts';
import type { RedisClient } from '../redis/client.ts';
import type { ReadinessCheck } from './health.ts';
import type { ServerSettings } from './parts.ts';

/** What `GET /v1/health/ready` asks. Without Redis requests go on, so that is no reason to say no, unless told so. */
export function readinessChecks(
  db: Database,
  redis: RedisClient | null,
  settings: Pick<ServerSettings, 'readyRequiresRedis'>,
): readonly ReadinessCheck[] {
  const lost = settings.readyRequiresRedis ? 'failed' : 'degraded';
  return [
    {
      name: 'database',
      probe: () =>
        ping(db).then(
          () => ({ state: 'ok' }),
          () => ({ state: 'failed', error: 'PostgreSQL does not answer' }),
        ),
    },
    {
      name: 'redis',
      probe: async () => {
        if (redis === null) return { state: 'ok' };
        return redis.ping().then(
          () => ({ state: 'ok' }),
          () => ({ state: lost, error: 'Redis does not answer; limits are kept in process' }),
        );
      },
    },
    { name: 'encryption', probe: async () => ({ state: 'ok' }) },
  ];
}
