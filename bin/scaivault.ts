#!/usr/bin/env node
import { Command } from 'commander';
import { configCommand } from '../commands/config.ts';
import { migrateCommand } from '../commands/migrate.ts';
import { runProgram } from '../commands/run.ts';
import { serveCommand } from '../commands/serve.ts';
import { VERSION } from '../src/lib/version.ts';

const HELP = `
Examples:
  scaivault serve --dev          a server on this machine that needs nothing else
  scaivault config               what "serve" would run with, and what is wrong with it
  scaivault migrate --status     whether the database needs migrations`;

const program = new Command('scaivault')
  .description('A self-hosted secrets manager in one executable.')
  .version(VERSION, '-V, --version', 'print the release')
  .addHelpText('after', HELP)
  .addCommand(serveCommand())
  .addCommand(migrateCommand())
  .addCommand(configCommand());
// Not awaited: the bundle is CommonJS, which knows no top-level await. It never rejects.
void runProgram(program);
