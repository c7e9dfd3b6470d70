import { Client, type ClientConfig } from 'pg';
import type { Secret } from '../lib/secret.ts';
import { within } from '../lib/time-limit.ts';
import { clientConfig, closeClient, hangUp } from './connection.ts';
import { DatabaseUnavailable } from './database.ts';
import { classify, classifyConnecting } from './failures.ts';
import type { MigrationSession } from './migration-session.ts';
import { refuseTransactionPooling } from './pooler.ts';
import { serverAnswers } from './server-answers.ts';

/** How long a server may be silent. Building an index may take hours, so a script is watched instead of limited. */
export interface Patience {
  /** For a single statement; those of a migrator take milliseconds. */
  readonly answerMs: number;
  /** While a script runs the server is asked for a sign of life this often, and has as long to give it; twice without one ends the script. */
  readonly signOfLifeMs: number;
}

const PATIENCE: Patience = { answerMs: 30_000, signOfLifeMs: 10_000 };
const SILENT = Symbol('silent');

/** Waits for as long as the server shows that it lives. @throws DatabaseUnavailable when it does not */
async function whileAlive<T>(work: Promise<T>, config: ClientConfig, everyMs: number): Promise<T> {
  for (let missed = 0; missed < 2; ) {
    const result = await within(everyMs, work, () => SILENT);
    if (result !== SILENT) return result as T;
    missed = (await serverAnswers(config, everyMs)) ? 0 : missed + 1;
  }
  throw new DatabaseUnavailable('the server stopped answering; what was under way is rolled back when it comes back');
}

/**
 * A connection of one's own for migrations, without a statement time-out.
 * @throws DatabaseUnavailable, DatabaseRefused, TransactionPooling
 */
export async function openMigrationSession(
  url: Secret<string>,
  patience: Patience = PATIENCE,
): Promise<MigrationSession> {
  try {
    const { query_timeout: _, ...config } = await clientConfig({
      url,
      statementTimeoutMs: 0,
      applicationName: 'scaivault-migrate',
    });
    // The migrator's lock belongs to its session, which a pooler in transaction mode has none of.
    await refuseTransactionPooling(config);
    const client = new Client(config);
    // Its loss shows in the statement under way.
    client.on('error', () => {});
    await client.connect();
    const answered = <T>(work: Promise<T>) =>
      within(patience.answerMs, work, () => {
        hangUp(client);
        throw new DatabaseUnavailable(`no answer within ${patience.answerMs / 1000} s`);
      });
    return {
      query: async (text, values) => {
        const { rows } = await answered(client.query(text, [...values])).catch(rethrowClassified);
        return rows as Record<string, unknown>[];
      },
      script: async (text) => {
        const work = client.query(text).catch(rethrowClassified);
        await whileAlive(work, config, patience.signOfLifeMs).catch((error: unknown) => {
          if (error instanceof DatabaseUnavailable) hangUp(client);
          throw error;
        });
      },
      close: () => closeClient(client),
    };
  } catch (error) {
    throw classifyConnecting(error);
  }
}

function rethrowClassified(error: unknown): never {
  throw classify(error);
}
