import { containerPostgres, containerRedis } from './container.ts';
import { debianPostgres, debianRedis } from './debian.ts';
import { embeddedPostgres } from './embedded-postgres.ts';
import { givenPostgres, givenRedis } from './given.ts';
import { localPostgres } from './local-postgres.ts';
import { localRedis } from './local-redis.ts';
import { type Provider, type RunningServer, startFirst } from './provider.ts';

const POSTGRES: readonly Provider[] = [
  givenPostgres,
  containerPostgres,
  localPostgres,
  debianPostgres,
  embeddedPostgres,
];
const REDIS: readonly Provider[] = [givenRedis, containerRedis, localRedis, debianRedis];

const HINT = `Install them and try again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends postgresql redis-server
(or start a container engine, or set TEST_DATABASE_URL and TEST_REDIS_URL)`;

export interface Servers {
  /** Variables for the test processes. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** A real PostgreSQL and a real Redis, for all test files together. @throws with the line to type when there is none */
export async function startServers(say: (line: string) => void): Promise<Servers> {
  const running: RunningServer[] = [];
  const stop = async () => {
    for (const server of running.splice(0).reverse()) await server.stop();
  };
  try {
    const postgres = await startFirst('PostgreSQL', POSTGRES, say);
    if (postgres === undefined) throw new Error(`The tests need PostgreSQL, and there is none. ${HINT}`);
    running.push(postgres);
    const redis = await startFirst('Redis', REDIS, say);
    if (redis === undefined) throw new Error(`The tests need Redis, and there is none. ${HINT}`);
    running.push(redis);
    const binaries = postgres.binaries === undefined ? {} : { TEST_POSTGRES_BIN: postgres.binaries };
    return { env: { TEST_DATABASE_URL: postgres.url, TEST_REDIS_URL: redis.url, ...binaries }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
