import { type ServerInstance, startInstance } from '../../scripts/test/servers/instance.ts';
import { findPostgres, postgresKind } from '../../scripts/test/servers/local-postgres.ts';
import { redisKind } from '../../scripts/test/servers/local-redis.ts';
import { havePgbouncer, type PoolMode, pgbouncerKind } from '../../scripts/test/servers/pgbouncer.ts';
import { which } from '../../scripts/test/servers/which.ts';
import { createDatabase } from './postgres.ts';
import { startProxy } from './proxy.ts';
import { redisUrl } from './redis.ts';

/** A server that a test may stop, kill and freeze as it likes; `remove()` at the end, whatever state it is in. */
export type PrivateServer = ServerInstance;

/**
 * A PostgreSQL of the test's own, started. Where the run has a URL and no programs, it is a fresh database behind a
 * proxy that takes the server's place in failing.
 */
export async function startPrivatePostgres(): Promise<PrivateServer> {
  const binaries = process.env.TEST_POSTGRES_BIN ?? (await findPostgres());
  if (binaries !== undefined) return startInstance(postgresKind(binaries));
  const database = await createDatabase();
  const proxy = await startProxy(database.url, 5432);
  return {
    ...proxy,
    async remove() {
      await proxy.remove();
      await database.drop();
    },
  };
}

/** The same for Redis. Behind the proxy the data is the shared server's. */
export async function startPrivateRedis(): Promise<PrivateServer> {
  if ((await which('redis-server')) !== undefined) return startInstance(redisKind());
  return startProxy(redisUrl(), 6379);
}

/** The real PgBouncer before a database. Null where it is not there and cannot be installed. */
export async function startPgbouncer(
  url: string,
  mode: PoolMode,
  settings: readonly string[] = [],
): Promise<PrivateServer | null> {
  return (await havePgbouncer()) ? startInstance(pgbouncerKind(url, mode, settings)) : null;
}
