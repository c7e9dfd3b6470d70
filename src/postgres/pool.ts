import { Pool, type PoolClient } from 'pg';
import { Secret } from '../lib/secret.ts';
import { within } from '../lib/time-limit.ts';
import { type ConnectionConfig, clientConfig } from './connection.ts';
import {
  CommitUnknown,
  type Database,
  DatabaseUnavailable,
  type SqlValue,
  type Statement,
  type Transaction,
} from './database.ts';
import { classify, classifyConnecting, isConnectionLoss, isSerializationFailure } from './failures.ts';
import { PipelinedClients } from './pipelined.ts';
import { refuseTransactionPooling } from './pooler.ts';

export interface DatabaseSettings {
  readonly url: Secret<string> | string;
  /** Connections for transactions; the pipelined ones come on top (docs/sizing.md). */
  readonly poolMax: number;
  readonly statementTimeoutMs: number;
  readonly applicationName?: string;
}

const PIPELINED_CLIENTS = 4;
const SERIALIZATION_TRIES = 3;
/** A transaction that never ends must not keep the process from ending. */
const CLOSE_LIMIT_MS = 5_000;

/** A transaction on one connection of the pool, which it gives back when it ends. */
class PooledTransaction implements Transaction {
  readonly #client: PoolClient;
  readonly #begun: Promise<unknown>;
  #lost: unknown;
  #ended: 'committed' | 'rolled_back' | 'unknown' | null = null;

  constructor(client: PoolClient) {
    this.#client = client;
    client.on('error', this.#onError);
    // Not awaited: the first statement follows it on the wire, and carries its failure.
    this.#begun = client.query('BEGIN');
    this.#begun.catch(() => {});
  }

  readonly #onError = (error: unknown): void => {
    this.#lost ??= error;
  };

  query<Row>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    const rows = this.#send<Row>(statement, values);
    // Sent back to back, one fails before the other is awaited; that must not end the process.
    rows.catch(() => {});
    return rows;
  }

  async #send<Row>(statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
    // The connection is somebody else's by now.
    if (this.#ended !== null) throw new Error(`${statement.name}: the transaction has ended`);
    try {
      const { name, text } = statement;
      const [, result] = await Promise.all([this.#begun, this.#client.query({ name, text, values: [...values] })]);
      return result.rows as Row[];
    } catch (error) {
      if (isConnectionLoss(error)) this.#lost ??= error;
      throw isSerializationFailure(error) ? error : classify(error);
    }
  }

  async commit(): Promise<void> {
    // Whoever committed has been told how that went.
    if (this.#ended === 'committed' || this.#ended === 'unknown') return;
    if (this.#ended === 'rolled_back') throw new Error('the transaction was rolled back');
    try {
      const { command } = await this.#client.query('COMMIT');
      // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, without an error.
      this.#end(command === 'COMMIT' ? 'committed' : 'rolled_back');
      if (command !== 'COMMIT') throw new Error('the transaction had failed and was rolled back');
    } catch (error) {
      if (!isConnectionLoss(error)) throw isSerializationFailure(error) ? error : classify(error);
      this.#lost ??= error;
      this.#end('unknown');
      throw new CommitUnknown('connection lost during COMMIT', { cause: error });
    }
  }

  /** Never throws: a connection that cannot roll back is closed, which does it. */
  async rollback(): Promise<void> {
    if (this.#ended !== null) return;
    if (this.#lost === undefined) {
      await this.#client.query('ROLLBACK').catch((error: unknown) => {
        this.#lost ??= error;
      });
    }
    this.#end('rolled_back');
  }

  #end(how: 'committed' | 'rolled_back' | 'unknown'): void {
    this.#ended = how;
    this.#client.off('error', this.#onError);
    // `true` closes the connection instead of giving it to somebody else.
    this.#client.release(this.#lost !== undefined);
  }
}

class PostgresDatabase implements Database {
  readonly #pool: Pool;
  readonly #pipelined: PipelinedClients;
  #closed = false;

  constructor(config: ConnectionConfig, poolMax: number) {
    this.#pool = new Pool({ ...config, pipeline: true, max: poolMax });
    // An idle connection that dies is replaced by the pool; without a listener it would end the process.
    this.#pool.on('error', () => {});
    // The same for one that dies before whoever asked for it has it in hands.
    this.#pool.on('connect', (client) => void client.on('error', () => {}));
    this.#pipelined = new PipelinedClients(config, PIPELINED_CLIENTS);
  }

  query<Row extends object>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#pipelined.query<Row>(statement, values);
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const tx = await this.#begin();
      try {
        const result = await work(tx);
        await tx.commit();
        return result;
      } catch (error) {
        await tx.rollback();
        // What `work` throws is its own; what the database throws was classified where it happened.
        if (!isSerializationFailure(error)) throw error;
        if (attempt === SERIALIZATION_TRIES) throw classify(error);
      }
    }
  }

  async #begin(): Promise<PooledTransaction> {
    if (this.#closed) throw new DatabaseUnavailable('the database was closed');
    try {
      return new PooledTransaction(await this.#pool.connect());
    } catch (error) {
      throw classifyConnecting(error);
    }
  }

  poolStatus(): { size: number; available: number } {
    const busy = this.#pool.totalCount - this.#pool.idleCount;
    return { size: this.#pool.options.max ?? 0, available: (this.#pool.options.max ?? 0) - busy };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await within(CLOSE_LIMIT_MS, Promise.all([this.#pool.end(), this.#pipelined.close()]), () => {});
  }
}

/**
 * Opens the database behind a URL after a look at what stands before it: see `pooler.ts`.
 * @throws DatabaseUnavailable, DatabaseRefused, TransactionPooling
 */
export async function openCheckedDatabase(settings: DatabaseSettings): Promise<Database> {
  const config = await connectionConfig(settings);
  await refuseTransactionPooling(config);
  return new PostgresDatabase(config, settings.poolMax);
}

/**
 * Opens the database behind a URL. The server is asked for nothing but, with `sslmode=prefer`, whether it speaks TLS.
 * @throws DatabaseUnavailable, DatabaseRefused
 */
export async function openDatabase(settings: DatabaseSettings): Promise<Database> {
  return new PostgresDatabase(await connectionConfig(settings), settings.poolMax);
}

async function connectionConfig(settings: DatabaseSettings): Promise<ConnectionConfig> {
  const url = typeof settings.url === 'string' ? new Secret(settings.url) : settings.url;
  try {
    return await clientConfig({
      url,
      statementTimeoutMs: settings.statementTimeoutMs,
      applicationName: settings.applicationName ?? 'scaivault',
    });
  } catch (error) {
    throw classifyConnecting(error);
  }
}
