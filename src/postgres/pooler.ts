import { Client, type ClientConfig } from 'pg';
import { closeClient } from './connection.ts';
import { classifyConnecting } from './failures.ts';

/** Between us and PostgreSQL stands a pooler that lends a server connection for one transaction only. */
export class TransactionPooling extends Error {
  override readonly name = 'TransactionPooling';
  readonly hint = 'Set pool_mode = session for this database, or name PostgreSQL itself.';

  constructor(seen: string, options?: ErrorOptions) {
    super(
      `A pooler in transaction mode stands before PostgreSQL: ${seen}. ` +
        'Prepared statements and session locks need a server connection of their own.',
      options,
    );
  }
}

/** Behind a busy pooler one comparison may be equal by chance. */
const ROUNDS = 6;
const STATEMENT_MODE = /statement pooling/;

async function opened(config: ClientConfig): Promise<Client> {
  const client = new Client({ ...config, query_timeout: config.connectionTimeoutMillis });
  client.on('error', () => {});
  await client.connect();
  return client;
}

// As text without a name: a prepared statement is one of the things that do not work behind such a pooler.
async function backendOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** The server says at connecting which process serves us; a pooler of whatever mode says a number of its own. */
function announcedBackend(client: Client): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null;
}

/**
 * The server processes of three statements: of the first connection, of the second inside a transaction, and of the
 * first again. The transaction takes the server connection that the first statement gave back, or at least keeps one
 * busy, so that an idle pooler cannot hand the same one out by chance.
 */
async function compare(first: Client, second: Client): Promise<void> {
  const before = await backendOf(first);
  await second.query('BEGIN');
  try {
    const other = await backendOf(second);
    if (other === before) throw new TransactionPooling(`two connections have server process ${before}`);
    const after = await backendOf(first);
    if (after !== before) {
      throw new TransactionPooling(`two statements of one connection ran in server processes ${before} and ${after}`);
    }
  } finally {
    // The connection is closed right afterwards, which ends the transaction too.
    await second.query('ROLLBACK').catch(() => {});
  }
}

/**
 * Finds out whether a connection keeps its server process. A pooler in session mode passes.
 * @throws TransactionPooling, DatabaseUnavailable, DatabaseRefused
 */
export async function refuseTransactionPooling(config: ClientConfig): Promise<void> {
  const clients: Client[] = [];
  try {
    const first = await opened(config);
    clients.push(first);
    const second = await opened(config);
    clients.push(second);
    const direct = announcedBackend(first) === (await backendOf(first));
    for (let round = 0; round < (direct ? 1 : ROUNDS); round++) await compare(first, second);
  } catch (error) {
    if (error instanceof Error && STATEMENT_MODE.test(error.message)) {
      throw new TransactionPooling('it allows no transactions at all', { cause: error });
    }
    throw classifyConnecting(error);
  } finally {
    await Promise.all(clients.map(closeClient));
  }
}
