import type { Command } from 'commander';
import { asksVersion, printVersion, VERSION_FLAGS } from '../commands/version.ts';
import { VERSION } from '../src/lib/version.ts';

const HELP = `
Examples:
  scaivault serve --dev          a server on this machine that needs nothing else
  scaivault config               what "serve" would run with, and what is wrong with it
  scaivault migrate --status     whether the database needs migrations
  scaivault healthcheck          whether the server on this machine is ready`;

// Loaded when they are called for, so that each starts as fast as what it needs.
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('../commands/serve.ts')).serveCommand(),
  migrate: async () => (await import('../commands/migrate.ts')).migrateCommand(),
  config: async () => (await import('../commands/config.ts')).configCommand(),
  healthcheck: async () => (await import('../commands/healthcheck.ts')).healthcheckCommand(),
  selftest: async () => (await import('../commands/selftest.ts')).selftestCommand(),
};
/** For those who build and package, not for those who operate. */
const HIDDEN = ['selftest'];

async function commandTree(called: string): Promise<Command> {
  const { Command } = await import('commander');
  const program = new Command('scaivault')
    .description('A self-hosted secrets manager in one executable.')
    .version(VERSION, VERSION_FLAGS, 'print the release; with --json also what it was built with')
    .addHelpText('after', HELP);
  const names = Object.hasOwn(COMMANDS, called) ? [called] : Object.keys(COMMANDS);
  for (const name of names) {
    const command = await COMMANDS[name]?.();
    if (command !== undefined) program.addCommand(command, { hidden: HIDDEN.includes(name) });
  }
  return program;
}

async function main(args: readonly string[]): Promise<void> {
  if (asksVersion(args)) return printVersion(args);
  const { runProgram } = await import('../commands/run.ts');
  await runProgram(await commandTree(args[0] ?? ''));
}

// Not awaited: the bundle is CommonJS, which knows no top-level await. It never rejects.
void main(process.argv.slice(2));
