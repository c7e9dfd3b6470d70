import { spawnSync } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { localPostgres } from './local-postgres.ts';
import { localRedis } from './local-redis.ts';
import type { Provider } from './provider.ts';
import { isExecutable } from './which.ts';

// Debian asks this program before it starts a service; 101 means "do not". Without it the packages would start theirs.
const POLICY = '/usr/sbin/policy-rc.d';

export const debianPostgres = debian('postgresql', localPostgres);
export const debianRedis = debian('redis-server', localRedis);

function debian(debianPackage: string, local: Provider): Provider {
  return {
    name: `Debian package ${debianPackage}`,
    available: mayInstall,
    async start() {
      await install(debianPackage);
      return local.start();
    },
  };
}

/** Whether {@link install} is worth a try. */
export async function mayInstall(): Promise<boolean> {
  return process.getuid?.() === 0 && (await isExecutable('/usr/bin/apt-get'));
}

/** Installs a package without starting a service of it. @throws with the end of what apt-get said */
export async function install(debianPackage: string): Promise<void> {
  process.stdout.write(`installing Debian package ${debianPackage} ...\n`);
  const policy = await forbidServices();
  try {
    apt('update');
    // Another installation may be under way.
    apt('install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', debianPackage);
  } finally {
    if (policy === 'ours') await rm(POLICY);
  }
}

async function forbidServices(): Promise<'ours' | 'theirs'> {
  try {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx' });
  } catch {
    return 'theirs';
  }
  await chmod(POLICY, 0o755);
  return 'ours';
}

function apt(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = spawnSync('apt-get', ['-q', ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (run.status !== 0) throw new Error(`apt-get ${args.join(' ')}: ${(run.stderr ?? '').trim().slice(-500)}`);
}
