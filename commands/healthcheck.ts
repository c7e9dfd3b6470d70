import { Command } from 'commander';
import { type Environment, readEnvironment } from '../src/config/environment.ts';
import { localAddress } from '../src/config/local-address.ts';
import { ConfigError, problemLine } from '../src/config/problems.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import { askHealth, type HealthAnswer } from '../src/http/ask-health.ts';
import { addVariableFlags, variableFlags } from './flags.ts';
import { failure, jsonEnvelope, jsonLine, type Output, processOutput } from './output.ts';

const FLAGS = ['BIND_ADDRESS', 'TLS_CERT_FILE'] as const;
const LIMIT_MS = 2_000;
const HELP = `
Asks the server of this machine, at BIND_ADDRESS (0.0.0.0 is asked on loopback), for /v1/health/ready, by TLS when
TLS_CERT_FILE is set; the certificate is not verified. Waits ${LIMIT_MS / 1000} s at most. Reads no other configuration.

Exit codes:
  0   ready; with --live: alive
  1   not, or no answer

Examples:
  scaivault healthcheck
  scaivault healthcheck --live
  scaivault healthcheck --bind 127.0.0.1:9000 --json
  HEALTHCHECK CMD ["/scaivault", "healthcheck", "--live"]     in a Dockerfile`;

interface Options {
  readonly live?: boolean;
  readonly json?: boolean;
}

async function ask(command: Command, live: boolean, env: Environment): Promise<HealthAnswer> {
  try {
    const address = localAddress(env, variableFlags(command, FLAGS));
    return await askHealth({ ...address, path: live ? '/v1/health' : '/v1/health/ready' }, LIMIT_MS);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Who runs probes knows two exit codes, so this is the second one, too.
    return { healthy: false, httpStatus: null, said: error.problems.map(problemLine).join(' ') };
  }
}

/** `scaivault healthcheck`: for Docker, and whoever else can run a program but not ask by HTTP. */
export function healthcheckCommand(env: Environment = readEnvironment(), output: Output = processOutput()): Command {
  const command = new Command('healthcheck')
    .description('Ask the server on this machine whether it is ready')
    .option('--live', 'ask only whether it is alive')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  addVariableFlags(command, FLAGS);
  return command.action(async ({ live = false, json = false }: Options) => {
    const startedMs = output.nowMs();
    const { healthy, httpStatus, said } = await ask(command, live, env);
    const exitCode = healthy ? EXIT.DONE : EXIT.FAILED;
    if (!healthy) output.err(`${said}\n`);
    if (json) {
      const envelope = jsonEnvelope({ command: 'healthcheck', startedMs, endedMs: output.nowMs(), exitCode });
      const { error } = failure('unhealthy', said, 'The log of the server says why, and: scaivault config');
      output.out(jsonLine({ ...envelope, http_status: httpStatus, said, ...(healthy ? {} : { error }) }));
    } else if (healthy) {
      output.out(`${said}\n`);
    }
    output.exit(exitCode);
  });
}
