import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install, mayInstall } from './debian.ts';
import type { ServerKind } from './instance.ts';
import { probePostgres } from './local-postgres.ts';
import { which } from './which.ts';

export type PoolMode = 'session' | 'transaction' | 'statement';

/** The real PgBouncer, from Debian where it is missing. @returns whether it is there now */
export async function havePgbouncer(): Promise<boolean> {
  if ((await which('pgbouncer')) !== undefined) return true;
  if (!(await mayInstall())) return false;
  await install('pgbouncer');
  return (await which('pgbouncer')) !== undefined;
}

/** A pooler before the database of `url`, for everybody without a password. */
export function pgbouncerKind(url: string, mode: PoolMode, settings: readonly string[] = []): ServerKind {
  const { hostname, port, username, password, pathname } = new URL(url);
  const target = [
    `host=${hostname}`,
    `port=${port || 5432}`,
    `dbname=${pathname.slice(1)}`,
    `user=${decodeURIComponent(username)}`,
    ...(password === '' ? [] : [`password=${decodeURIComponent(password)}`]),
  ];
  return {
    command: 'pgbouncer',
    stopSignal: 'SIGINT',
    args: (directory) => [join(directory, 'pgbouncer.ini')],
    url: (listening) => `postgresql://postgres@127.0.0.1:${listening}${pathname}`,
    prepare: (directory, _run, listening) =>
      writeFile(
        join(directory, 'pgbouncer.ini'),
        [
          '[databases]',
          `* = ${target.join(' ')}`,
          '[pgbouncer]',
          'listen_addr = 127.0.0.1',
          `listen_port = ${listening}`,
          'unix_socket_dir =',
          'auth_type = any',
          `pool_mode = ${mode}`,
          ...settings,
          '',
        ].join('\n'),
      ),
    probe: probePostgres,
  };
}
