import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LossyProxy {
  readonly url: string;
  /**
   * From the next bytes on that hold `text`, on the connection that sends them: `answers` lets them through and
   * swallows what comes back, `statements` keeps them until {@link release}. The client's side is cut after `cutMs`.
   */
  lose(what: 'answers' | 'statements', text: string, cutMs?: number): void;
  /** How often something was lost. */
  losses(): number;
  /** Delivers what was kept to the server, whose side of the connection has stayed open. */
  release(): void;
  close(): Promise<void>;
}

/** A TCP proxy before PostgreSQL that loses what a network may lose. */
export async function lossyProxy(targetUrl: string): Promise<LossyProxy> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const kept: (() => void)[] = [];
  let order: { what: 'answers' | 'statements'; text: string; cutMs: number } | null = null;
  let losses = 0;

  const listener = createServer((client) => {
    const server = connect(Number(target.port || 5432), target.hostname);
    let losing: 'answers' | 'statements' | null = null;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (chunk) => {
      if (order !== null && losing === null && chunk.includes(order.text)) {
        losing = order.what;
        losses++;
        setTimeout(() => client.resetAndDestroy(), order.cutMs);
        order = null;
      }
      if (losing === 'statements') kept.push(() => void server.write(chunk));
      else server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (losing === null) client.write(chunk);
    });
    client.on('close', () => {
      if (losing === null) server.destroy();
    });
    server.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  return {
    url: url.href,
    lose: (what, text, cutMs = 50) => {
      order = { what, text, cutMs };
    },
    losses: () => losses,
    release: () => {
      for (const deliver of kept.splice(0)) deliver();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
