import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { readEnvironment } from '../src/config/environment.ts';
import { FLAG_NAMES, type Flags } from '../src/config/flags.ts';
import { type ConfigFor, loadConfig } from '../src/config/load.ts';
import { ConfigError } from '../src/config/problems.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import { addVariableFlags, variableFlags } from './flags.ts';
import { type Output, processOutput, withConfigErrors } from './output.ts';
import { CommandRefused, refusalOf, reportRefusal } from './refusals.ts';
import { openLog, runUntilSignal, type ServeOptions } from './serve-process.ts';
import { leavePrimary } from './stop-orders.ts';

const HELP = `
Configuration is environment variables; "scaivault config" shows the effective one, docs/configuration.md all of them.
Every variable that holds no secret has a flag, for example --database-pool-max for DATABASE_POOL_MAX.

  --dev needs nothing else: an embedded database, a key file and an identity issuer of its own, on loopback only.

Exit codes:
  0   stopped by SIGTERM or SIGINT
  1   ended by an error of its own, or by a second signal
  64  usage, for example --dev together with DATABASE_URL
  69  the port, or PostgreSQL within START_TIMEOUT, is not available
  75  another process has the data directory, or migrations are awaited
  78  configuration: also a refused password, a wrong key, a database that is ahead

Examples:
  scaivault serve --dev
  scaivault serve --dev --ephemeral --bind 127.0.0.1:9000
  DATABASE_URL_FILE=/run/secrets/database scaivault serve --no-migrate`;

const WITHOUT_CONFIGURATION = 'This needs configuration. To try ScaiVault without any: scaivault serve --dev';

async function serveProduction(config: ConfigFor<'serve'>): Promise<void> {
  const opened = await openLog(config, config.LOG_FORMAT);
  const { log, instanceId } = opened;
  if (config.KMS_PROVIDER === 'local') log.warn({}, 'KMS_PROVIDER=local: the key that wraps all keys is a file');
  const { productionWorld, serverSettings } = await import('../src/http/production.ts');
  const { startServer } = await import('../src/http/server.ts');
  const { systemClock } = await import('../src/lib/clock.ts');
  const { giveBackMemory } = await import('../src/lib/give-back-memory.ts');
  const settings = serverSettings(config, config.BASE_URL, instanceId, log);
  await runUntilSignal(opened, async () => {
    const server = await startServer(settings, productionWorld(config, systemClock(), log), log, async () =>
      giveBackMemory(),
    );
    log.info({ address: `${settings.bind.host}:${server.port}` }, 'ready');
    return server;
  });
}

/** Looks after the processes that serve. */
async function superviseProduction(config: ConfigFor<'serve'>, count: number): Promise<void> {
  const { log } = await openLog(config, config.LOG_FORMAT);
  const { superviseWorkers } = await import('./serve-workers.ts');
  process.exitCode = await superviseWorkers({ count, shutdownGraceMs: config.SHUTDOWN_GRACE }, log);
}

/** In this process, or with `SERVE_PROCESSES` in several that share the port. */
async function serveInProcesses(config: ConfigFor<'serve'>): Promise<void> {
  if (cluster.isWorker) return serveProduction(config).finally(leavePrimary);
  const count = config.SERVE_PROCESSES === 'auto' ? availableParallelism() : config.SERVE_PROCESSES;
  return count === 1 ? serveProduction(config) : superviseProduction(config, count);
}

function refuseWithoutDev(given: readonly string[]): void {
  if (given.length === 0) return;
  throw new CommandRefused({
    exit: EXIT.USAGE,
    code: 'usage',
    message: `${given.join(' and ')} means something together with --dev only`,
    hint: 'A production server keeps its data in PostgreSQL: see DATABASE_URL.',
  });
}

/** Whoever tries ScaiVault for the first time has nothing configured, and shall learn of the way without. */
function loadServeConfig(flags: Flags, output: Output): ConfigFor<'serve'> {
  try {
    return loadConfig('serve', readEnvironment(), flags);
  } catch (error) {
    if (error instanceof ConfigError) output.err(`${WITHOUT_CONFIGURATION}\n`);
    throw error;
  }
}

async function serve(command: Command, options: ServeOptions, output: Output): Promise<void> {
  const flags = variableFlags(command, FLAG_NAMES);
  if (options.dev === true) {
    const { serveDevelopment } = await import('./serve-dev.ts');
    return serveDevelopment(options, readEnvironment(), flags, output);
  }
  const forDev = ['data', 'ephemeral'].filter((name) => command.getOptionValueSource(name) === 'cli');
  refuseWithoutDev(forDev.map((name) => `--${name}`));
  return serveInProcesses(loadServeConfig(flags, output));
}

/** `scaivault serve`: the server. */
export function serveCommand(output: Output = processOutput()): Command {
  const command = new Command('serve')
    .description('Run the server')
    .option('--dev', 'a development server that needs nothing else; not for production')
    .option('--data <dir>', 'with --dev: where its data is kept', '.scaivault')
    .option('--ephemeral', 'with --dev: keep nothing')
    .addHelpText('after', HELP);
  addVariableFlags(command, FLAG_NAMES, { hidden: true });
  return command.action(async (options: ServeOptions) => {
    // A refusal is told to whoever reads the log, too; at a terminal that is the one who reads the other line.
    const json = output.isTerminal !== true;
    await withConfigErrors(output, json, async () => {
      try {
        await serve(command, options, output);
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === null) throw error;
        reportRefusal(refusal, output, json);
      }
    });
  });
}
