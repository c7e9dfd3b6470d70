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
    available: async () => process.getuid?.() === 0 && (await isExecutable('/usr/bin/apt-get')),
    async start() {
      process.stdout.write(`installing Debian package ${debianPackage} ...\n`);
      const policy = await forbidServices();
      try {
        apt('update');
        apt('install', '-y', '--no-install-recommends', debianPackage);
      } finally {
        if (policy === 'ours') await rm(POLICY);
      }
      return local.start();
    },
  };
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
