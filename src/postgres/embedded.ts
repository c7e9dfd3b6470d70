import { AsyncLocalStorage } from 'node:async_hooks';
import { PGlite } from '@electric-sql/pglite';
import { readPackageFile } from '../lib/assets.ts';
import type { Database, SqlValue, Statement, Transaction } from './database.ts';
import { classify } from './failures.ts';
import type { MigrationSession } from './migration-session.ts';

/** Hands the single session to one user at a time, in the order of asking. */
class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn, with the function that ends it. */
  async take(): Promise<() => void> {
    const before = this.#last;
    let done: () => void = () => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    return done;
  }
}

async function run<Row>(pglite: PGlite, statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
  try {
    const { rows } = await pglite.query<Record<string, unknown>>(statement.text, [...values]);
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        if (value instanceof Uint8Array && !Buffer.isBuffer(value)) {
          row[column] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        }
      }
    }
    return rows as Row[];
  } catch (error) {
    throw classify(error);
  }
}

class EmbeddedTransaction implements Transaction {
  readonly #pglite: PGlite;
  readonly #begun: Promise<unknown>;
  #open = true;
  #failed = false;
  #committed = false;

  constructor(pglite: PGlite) {
    this.#pglite = pglite;
    this.#begun = pglite.exec('BEGIN');
    // Its failure shows in the first statement.
    this.#begun.catch(() => {});
  }

  async query<Row extends object>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    if (!this.#open) throw new Error(`${statement.name}: the transaction has ended`);
    await this.#begun;
    try {
      return await run<Row>(this.#pglite, statement, values);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async commit(): Promise<void> {
    if (this.#committed) return;
    if (!this.#open) throw new Error('the transaction was rolled back');
    await this.#end('COMMIT');
    // PostgreSQL answers COMMIT of a failed transaction with a rollback, without an error.
    if (this.#failed) throw new Error('the transaction had failed and was rolled back');
    this.#committed = true;
  }

  rollback(): Promise<void> {
    return this.#end('ROLLBACK');
  }

  async #end(command: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      await this.#begun;
      await this.#pglite.exec(command);
    } catch (error) {
      throw classify(error);
    }
  }
}

/**
 * The embedded database of `serve --dev`: PostgreSQL compiled to WebAssembly, one session. Everything runs through one
 * queue with the same repository code; advisory locks and LISTEN mean nothing here.
 */
class EmbeddedDatabase implements Database {
  readonly #pglite: PGlite;
  readonly #turns = new Turns();
  // Using the database from inside an open transaction would wait for itself for ever: better an error at once.
  readonly #inTransaction = new AsyncLocalStorage<{ open: boolean }>();

  constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  async query<Row extends object>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    this.#refuseInsideTransaction(statement.name);
    const done = await this.#turns.take();
    try {
      return await run<Row>(this.#pglite, statement, values);
    } finally {
      done();
    }
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#refuseInsideTransaction('transaction');
    const done = await this.#turns.take();
    const tx = new EmbeddedTransaction(this.#pglite);
    const state = { open: true };
    try {
      const result = await this.#inTransaction.run(state, () => work(tx));
      await tx.commit();
      return result;
    } finally {
      state.open = false;
      await tx.rollback();
      done();
    }
  }

  /** For migrations, which bring their own BEGIN and COMMIT. */
  session(): MigrationSession {
    return {
      query: async (text, values) => (await this.#pglite.query(text, [...values])).rows as Record<string, unknown>[],
      script: async (text) => {
        await this.#pglite.exec(text);
      },
      close: async () => {},
    };
  }

  poolStatus(): { size: number; available: number } {
    return { size: 1, available: 1 };
  }

  async close(): Promise<void> {
    const done = await this.#turns.take();
    await this.#pglite.close();
    done();
  }

  #refuseInsideTransaction(what: string): void {
    if (this.#inTransaction.getStore()?.open) throw new Error(`${what}: the database was used inside a transaction`);
  }
}

export type { EmbeddedDatabase };

/**
 * Opens the embedded database.
 * @param directory where its files lie; null keeps everything in memory
 */
export async function openEmbedded(directory: string | null): Promise<EmbeddedDatabase> {
  const [database, initdb, files] = await Promise.all([
    readPackageFile('pglite/pglite.wasm').then((bytes) => WebAssembly.compile(bytes)),
    readPackageFile('pglite/initdb.wasm').then((bytes) => WebAssembly.compile(bytes)),
    readPackageFile('pglite/pglite.data'),
  ]);
  const pglite = await PGlite.create({
    ...(directory === null ? {} : { dataDir: directory }),
    pgliteWasmModule: database,
    initdbWasmModule: initdb,
    fsBundle: new Blob([files]),
  });
  return new EmbeddedDatabase(pglite);
}
