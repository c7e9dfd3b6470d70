import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output } from '../../commands/output.ts';
import type { Environment } from '../../src/config/environment.ts';
import type { Flags } from '../../src/config/flags.ts';
import { examine, loadConfig } from '../../src/config/load.ts';
import { ConfigError, type Problem } from '../../src/config/problems.ts';
import type { CommandName } from '../../src/config/variable.ts';
import { rowOf, VARIABLE_NAMES, type VariableName } from '../../src/config/variables.ts';

/** The least with which `serve` starts. */
export const SERVE: Environment = {
  DATABASE_URL: 'postgresql://vault:pw@db:5432/vault',
  REDIS_URL: 'redis://redis:6379/0',
  SCAIKEY_URL: 'https://login.example.com',
  BASE_URL: 'https://vault.example.com',
  KMS_PROVIDER: 'local',
  KMS_LOCAL_KEY_FILE: '/keys/root.key',
  KMS_ALLOW_LOCAL: 'true',
};

export const SECRETS: readonly VariableName[] = VARIABLE_NAMES.filter((name) => rowOf(name).secret !== undefined);

export function serveWith(more: Environment, flags: Flags = {}) {
  return loadConfig('serve', { ...SERVE, ...more }, flags);
}

/** The problems of a configuration, which must have some. */
export function problemsOf(command: CommandName, env: Environment, flags: Flags = {}): readonly Problem[] {
  try {
    loadConfig(command, env, flags);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

export function namesOf(problems: readonly Problem[]): readonly string[] {
  return problems.map((problem) => problem.variable);
}

/** What is wrong with one variable in an otherwise right configuration; undefined when it is right. */
export function problemOf(name: VariableName, text: string): string | undefined {
  const { problems } = examine('serve', { ...SERVE, [name]: text });
  return problems.find((problem) => problem.variable === name)?.problem;
}

/** Runs `work` with the path of a file of this content, which is gone afterwards. */
export function withFile<T>(content: string | Uint8Array, work: (path: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'scaivault-config-'));
  const path = join(directory, randomUUID());
  writeFileSync(path, content, { mode: 0o600 });
  try {
    return work(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** An output that remembers, with a clock that stands still. */
export function recorder() {
  const seen = { out: '', err: '', exitCode: -1 };
  const output: Output = {
    out: (text) => {
      seen.out += text;
    },
    err: (text) => {
      seen.err += text;
    },
    exit: (code) => {
      seen.exitCode = code;
    },
    nowMs: () => 1_700_000_000_000,
  };
  return { seen, output };
}
