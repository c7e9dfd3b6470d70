import { Client, type ClientConfig } from 'pg';
import { closeClient } from './connection.ts';

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Whether the server says anything at all on a new connection: that it has no room for one is an answer too. */
export async function serverAnswers(config: ClientConfig, limitMs: number): Promise<boolean> {
  const client = new Client({ ...config, connectionTimeoutMillis: limitMs, query_timeout: limitMs });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && SQLSTATE.test(String(error.code));
  } finally {
    await closeClient(client);
  }
}
