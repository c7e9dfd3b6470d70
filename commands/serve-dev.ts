import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Environment } from '../src/config/environment.ts';
import type { Flags } from '../src/config/flags.ts';
import { type ConfigFor, loadConfig } from '../src/config/load.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import { type DevDirectory, openDevDirectory } from '../src/http/dev-directory.ts';
import { developmentWorld, furnish } from '../src/http/development.ts';
import { serverSettings } from '../src/http/production.ts';
import { startServer } from '../src/http/server.ts';
import { systemClock } from '../src/lib/clock.ts';
import { VERSION } from '../src/lib/version.ts';
import type { Output } from './output.ts';
import { CommandRefused } from './refusals.ts';
import { openLog, type Running, runUntilSignal, type ServeOptions } from './serve-process.ts';

/** Whoever has set one of these means production. */
const PRODUCTION_VARIABLES = ['DATABASE_URL', 'REDIS_URL', 'SCAIKEY_URL', 'KMS_PROVIDER'] as const;
const LOOPBACK = '127.0.0.1:8443';

function refuseProduction(env: Environment): void {
  const set = PRODUCTION_VARIABLES.flatMap((name) => [name, `${name}_FILE`]).filter((name) => (env[name] ?? '') !== '');
  if (set.length === 0) return;
  throw new CommandRefused({
    exit: EXIT.USAGE,
    code: 'usage',
    message: `--dev does not go together with ${set.join(', ')}`,
    hint: 'Unset them for a development server, or leave out --dev.',
  });
}

function refuseOutside(host: string, hint: string): void {
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (loopback) return;
  throw new CommandRefused({
    exit: EXIT.USAGE,
    code: 'usage',
    message: `--dev listens on loopback only, not on ${host}`,
    hint,
  });
}

function banner(url: string, environmentFile: string, keeps: string): string {
  const auth = '-H "Authorization: Bearer $SCAIVAULT_TOKEN"';
  return `
ScaiVault ${VERSION} development server. Not for production.

  listening  ${url}
  data       ${keeps}

Write and read a first secret, in another terminal:

  . ${environmentFile}
  curl -sS -X PUT "$SCAIVAULT_URL/v1/secrets/app/database" ${auth} \\
    -H "Content-Type: application/json" -d '{"data": {"username": "app", "password": "change-me"}}'
  curl -sS "$SCAIVAULT_URL/v1/secrets/app/database" ${auth}

Ctrl-C stops it.

`;
}

/** A path as it is typed here: relative where that is shorter, never without a slash, so that `.` finds it, quoted if need be. */
function typed(path: string): string {
  const near = relative(process.cwd(), path);
  const shorter = near.startsWith('..') ? path : near.includes('/') ? near : `./${near}`;
  return /^[\w@%+=:,./-]+$/.test(shorter) ? shorter : `'${shorter.replaceAll("'", "'\\''")}'`;
}

/** What is kept of an ephemeral server while it runs: the key file, which the key provider reads anew each time. */
async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'scaivault-dev-'));
  process.once('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function start(directory: DevDirectory, config: ConfigFor<'dev'>, ephemeral: boolean, output: Output) {
  const opened = await openLog(config, config.sources.LOG_FORMAT === 'default' ? 'text' : config.LOG_FORMAT);
  const { log, instanceId } = opened;
  const { host, port: wantedPort } = config.BIND_ADDRESS;
  const urlOf = (port: number) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const settings = serverSettings(config, urlOf(wantedPort), instanceId, log);

  await runUntilSignal(opened, async (): Promise<Running> => {
    const home = ephemeral ? await temporaryDirectory() : directory.path;
    const { world, issuer } = await developmentWorld(home, ephemeral, systemClock(), log);
    const server = await startServer({ ...settings, tls: null }, world, log, async (modules, port) => {
      await directory.writeEnvironment(urlOf(port), await furnish(modules, issuer));
    });
    const keeps = ephemeral ? 'in memory, gone when it stops' : directory.path;
    output.out(banner(urlOf(server.port), typed(directory.environmentFile), keeps));
    return server;
  });
}

/** `scaivault serve --dev`. @throws CommandRefused, DirectoryBusy, and what hindered the start */
export async function serveDevelopment(
  options: ServeOptions,
  env: Environment,
  flags: Flags,
  output: Output,
): Promise<void> {
  refuseProduction(env);
  const config = loadConfig('dev', { ...env, BIND_ADDRESS: env.BIND_ADDRESS || LOOPBACK }, flags);
  refuseOutside(config.BIND_ADDRESS.host, `Try --bind ${LOOPBACK}.`);
  const { METRICS_BIND_ADDRESS: metrics } = config;
  if (metrics !== undefined) refuseOutside(metrics.host, 'Try --metrics-bind-address 127.0.0.1:9464, or leave it out.');
  const ephemeral = options.ephemeral === true;
  const directory = await openDevDirectory(options.data, ephemeral);
  // However the process ends, short of SIGKILL; a signal may end it before anything is ready.
  process.once('exit', directory.release);
  await start(directory, config, ephemeral, output);
}
