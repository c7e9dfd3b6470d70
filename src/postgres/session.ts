import { Client } from 'pg';
import type { Secret } from '../lib/secret.ts';
import { clientConfig } from './connection.ts';
import { classify, classifyConnecting } from './failures.ts';
import type { MigrationSession } from './migrate.ts';

/**
 * A connection of one's own for migrations: no statement time-out, as building an index may take hours.
 * @throws DatabaseUnavailable, DatabaseRefused
 */
export async function openMigrationSession(url: Secret<string>): Promise<MigrationSession> {
  try {
    const {
      query_timeout: _,
      idle_in_transaction_session_timeout: __,
      ...config
    } = await clientConfig({
      url,
      statementTimeoutMs: 0,
      applicationName: 'scaivault-migrate',
    });
    const client = new Client(config);
    // Its loss shows in the statement under way.
    client.on('error', () => {});
    await client.connect();
    const run = (text: string, values?: (string | number)[]) =>
      client.query(text, values).catch((error: unknown) => {
        throw classify(error);
      });
    return {
      query: async (text, values) => (await run(text, [...values])).rows as Record<string, unknown>[],
      script: async (text) => {
        await run(text);
      },
      close: () => client.end(),
    };
  } catch (error) {
    throw classifyConnecting(error);
  }
}
