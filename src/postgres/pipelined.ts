import type { Duplex } from 'node:stream';
import { Client } from 'pg';
import type { ConnectionConfig } from './connection.ts';
import { CommitUnknown, DatabaseRefused, DatabaseUnavailable, type SqlValue, type Statement } from './database.ts';
import { classify, classifyConnecting, isConnectionLoss, isSerializationFailure } from './failures.ts';

/** After a failed connect the next callers are refused at once for this long, so that they do not queue up. */
const RECONNECT_PAUSE_MS = 250;
const TRIES = 2;
/** A read that has already waited longer than this for an answer is not sent again: its caller has waited enough. */
const RETRY_WITHIN_MS = 5_000;

/**
 * One connection that sends statements without waiting for the answers of those before: five times the rate of a
 * pooled client for single statements (`../../docs/decisions/0004-postgresql-clients.md`).
 */
class PipelinedClient {
  readonly #config: ConnectionConfig;
  #connection: Promise<Client> | null = null;
  #refuseUntil = 0;
  #refusal: unknown;
  #closed = false;
  #held: Duplex | null = null;
  inFlight = 0;

  constructor(config: ConnectionConfig) {
    this.#config = config;
  }

  async query<Row>(statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
    this.inFlight++;
    const connection = this.#connected();
    try {
      const client = await connection;
      this.#hold(client);
      const result = await client.query({ name: statement.name, text: statement.text, values: [...values] });
      return result.rows as Row[];
    } catch (error) {
      // An error that ends the connection comes before its end: whoever asks next must not get this one.
      if (isConnectionLoss(error)) this.#forget(connection);
      throw error;
    } finally {
      this.inFlight--;
    }
  }

  /** Statements of one turn of the event loop leave in one write: a system call costs more than a statement. */
  #hold(client: Client): void {
    const { stream } = (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection;
    if (this.#held === stream) return;
    this.#held = stream;
    stream.cork();
    setImmediate(() => {
      this.#held = null;
      stream.uncork();
    });
  }

  /** Statements under way get their answers first. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#connection?.catch(() => null);
    this.#connection = null;
    await client?.end();
  }

  #connected(): Promise<Client> {
    if (this.#closed) return Promise.reject(new DatabaseUnavailable('the database was closed'));
    if (this.#connection !== null) return this.#connection;
    if (Date.now() < this.#refuseUntil) return Promise.reject(this.#refusal);
    const client = new Client({ ...this.#config, pipeline: true });
    const connection = this.#connect(client);
    this.#connection = connection;
    // A connection that ends, for whatever reason, is replaced by the next caller.
    client.on('error', () => this.#forget(connection));
    client.on('end', () => this.#forget(connection));
    return connection;
  }

  async #connect(client: Client): Promise<Client> {
    try {
      await client.connect();
      await this.#config.onConnect(client);
      return client;
    } catch (error) {
      this.#connection = null;
      this.#refusal = classifyConnecting(error);
      this.#refuseUntil = Date.now() + RECONNECT_PAUSE_MS;
      throw this.#refusal;
    }
  }

  /** Only this connection: there may be a newer one already. */
  #forget(connection: Promise<Client>): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    connection.then((client) => client.end()).catch(() => {});
  }
}

/** A few pipelined connections; each statement goes to the one with the fewest under way. */
export class PipelinedClients {
  readonly #clients: readonly PipelinedClient[];

  constructor(config: ConnectionConfig, count: number) {
    this.#clients = Array.from({ length: count }, () => new PipelinedClient(config));
  }

  async query<Row>(statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
    const sent = Date.now();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#leastBusy().query(statement, values);
      } catch (error) {
        // Refused at connecting: nothing was sent.
        if (error instanceof DatabaseUnavailable || error instanceof DatabaseRefused) throw error;
        const lost = isConnectionLoss(error);
        if (lost && !statement.readOnly) {
          throw new CommitUnknown(`connection lost during ${statement.name}`, { cause: error });
        }
        const mayPass = lost || isSerializationFailure(error);
        if (!mayPass || attempt === TRIES || Date.now() - sent > RETRY_WITHIN_MS) throw classify(error);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  #leastBusy(): PipelinedClient {
    const [first, ...others] = this.#clients;
    if (first === undefined) throw new DatabaseUnavailable('no connection configured');
    return others.reduce((best, client) => (client.inFlight < best.inFlight ? client : best), first);
  }
}
