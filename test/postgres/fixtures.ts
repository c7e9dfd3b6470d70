import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Client } from 'pg';
import { type Database, statement } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/pool.ts';

export const ONE = statement('test.one', 'SELECT 1 AS one');
export const SLEEP = statement('test.sleep', 'SELECT pg_sleep($1) AS slept, pg_backend_pid() AS pid');
export const SLOW_CHANGE = statement('test.slow_change', 'INSERT INTO things SELECT $1 FROM pg_sleep($2)');
export const PUT = statement('test.put', 'INSERT INTO things (id) VALUES ($1)');
export const COUNT = statement('test.count', 'SELECT count(*) AS n FROM things');

export function open(url: string, { poolMax = 4, statementTimeoutMs = 5_000 } = {}): Promise<Database> {
  return openDatabase({ url, poolMax, statementTimeoutMs });
}

export async function administer(url: string, ...sql: string[]): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const text of sql) rows = (await client.query(text)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

/** What a promise that must fail fails with. */
export function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as Error,
  );
}

/** Everything that could be printed of an error: causes, properties, stack. */
export async function printed(error: unknown): Promise<string> {
  const { inspect } = await import('node:util');
  return `${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)} ${error}`;
}

/** A server that accepts connections and says nothing. */
export async function silentServer(): Promise<{ port: number; close(): Promise<void> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A server that lets everybody in and ends the connection with its very next word, in the same packet. */
export async function abruptServer(): Promise<{ port: number; close(): Promise<void> }> {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.from(`${type}....`);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const welcome = [message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))];
  const farewell = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat([...welcome, farewell])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
