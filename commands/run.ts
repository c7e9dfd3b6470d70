import { type Command, CommanderError } from 'commander';
import { readEnvironment } from '../src/config/environment.ts';
import { EXIT } from '../src/contract/exit-codes.ts';
import { VERSION } from '../src/lib/version.ts';
import { failure, jsonLine, type Output, processOutput } from './output.ts';
import { watchStreams } from './streams.ts';

const REPORT = `This is a defect of ScaiVault ${VERSION}. Please report it with the line above and what you did.`;
const WHERE = 'LOG_LEVEL=debug shows where it happened.';

/** Whether the command promised one document on stdout, which then comes also when the command fails. */
function promisedJson(program: Command): boolean {
  return program.commands.some((command) => command.getOptionValue('json') === true);
}

function reportUsage(error: CommanderError, output: Output, json: boolean): void {
  // Help and version that were asked for are no error.
  if (error.exitCode === 0) return;
  if (json) output.out(jsonLine(failure('usage', error.message.replace(/^error: /, ''), '--help shows how')));
  output.exit(EXIT.USAGE);
}

function reportDefect(thrown: unknown, output: Output, json: boolean): void {
  const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  const debug = readEnvironment().LOG_LEVEL === 'debug';
  const hint = debug ? REPORT : `${REPORT} ${WHERE}`;
  output.err(`scaivault: unexpected error: ${what.replace(/\s+/g, ' ')}\n${hint}\n`);
  if (debug && thrown instanceof Error) output.err(`${thrown.stack ?? ''}\n`);
  if (json) output.out(jsonLine(failure('internal_error', what, hint)));
  output.exit(EXIT.FAILED);
}

/** Runs the command tree to its end: whatever happens, there is an exit code and a sentence that helps. */
export async function runProgram(program: Command, output: Output = processOutput()): Promise<void> {
  watchStreams();
  program.exitOverride().showHelpAfterError('scaivault --help lists the commands.');
  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError(`scaivault ${command.name()} --help shows how.`);
  }
  try {
    await program.parseAsync();
  } catch (error) {
    const json = promisedJson(program);
    if (error instanceof CommanderError) reportUsage(error, output, json);
    else reportDefect(error, output, json);
  }
}
