/** Tries what `make build` made as a user would: each artefact alone in an empty directory, with no environment. */
import { copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startServers } from './servers/servers.ts';
import type { Artefact, Check } from './smoke/artefact.ts';
import { CHECKS as BOTH } from './smoke/both.ts';
import { CHECKS as BUNDLE } from './smoke/bundle.ts';
import { CHECKS as EXECUTABLE } from './smoke/executable.ts';
import { makeKeyFile, tryMigrations, tryProcesses, withDatabase } from './smoke/production.ts';

const DIST = resolve(import.meta.dirname, '../../dist');
const say = (line: string) => void process.stdout.write(`smoke: ${line}\n`);

const directory = await mkdtemp(join(tmpdir(), 'scaivault-smoke-'));
try {
  const bundle = await installBundle();
  const executable = await installExecutable();
  await tryAll(bundle, { ...BOTH, ...BUNDLE });
  await tryAll(executable, { ...BOTH, ...EXECUTABLE });
  await tryProduction(executable, bundle);
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

// Away from the repository, so that nothing in `node_modules/` can stand in for something missing.
async function installBundle(): Promise<Artefact> {
  const home = join(directory, 'bundle');
  const parts = ['scaivault.js', 'package.json', 'assets'];
  for (const part of parts) await cp(join(DIST, part), join(home, 'dist', part), { recursive: true });
  const before = [join(home, 'dist/scaivault.js')];
  return { name: 'dist/scaivault.js', command: process.execPath, before, directory: home };
}

async function installExecutable(): Promise<Artefact> {
  const home = join(directory, 'executable');
  await mkdir(home);
  const command = join(home, 'scaivault');
  await copyFile(join(DIST, 'scaivault'), command);
  return { name: 'dist/scaivault', command, before: [], directory: home };
}

async function attempt(name: string, trial: () => Promise<string | undefined>): Promise<void> {
  try {
    const remark = await trial();
    say(`ok ${name}${remark === undefined ? '' : ` (${remark})`}`);
  } catch (error) {
    say(`FAIL ${name}`);
    throw error;
  }
}

async function tryAll(artefact: Artefact, checks: Readonly<Record<string, Check>>): Promise<void> {
  for (const [name, check] of Object.entries(checks)) {
    await attempt(`${artefact.name}: ${name}`, () => check(artefact));
  }
}

async function tryProduction(executable: Artefact, bundle: Artefact): Promise<void> {
  const { env, stop } = await startServers(say);
  const { TEST_DATABASE_URL: database = '', TEST_REDIS_URL: redis = '' } = env;
  try {
    const keyFile = await makeKeyFile(directory);
    await withDatabase(database, async (databaseUrl) => {
      await attempt('migrate on a real PostgreSQL', () => tryMigrations(databaseUrl, executable, bundle));
      const outside = { databaseUrl, redisUrl: redis, keyFile };
      for (const each of [executable, bundle]) {
        await attempt(`${each.name}: serve in several processes`, () => tryProcesses(each, outside));
      }
    });
  } finally {
    await stop();
  }
}
