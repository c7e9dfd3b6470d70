import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ServerInstance } from '../../scripts/test/servers/instance.ts';

/**
 * A TCP proxy on 127.0.0.1 in front of the server of `targetUrl`. Its own URL is that one with the proxy's address.
 * Stopped it refuses connections, frozen it accepts them and passes nothing on.
 */
export async function startProxy(targetUrl: string, defaultPort: number): Promise<ServerInstance> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let listener: Server | undefined;
  let port = 0;
  let frozen = false;

  function serve(client: Socket): void {
    const upstream = connect(Number(target.port || defaultPort), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => void to.write(chunk));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (frozen) from.pause();
    }
  }

  async function start(): Promise<void> {
    if (listener !== undefined) return;
    listener = createServer(serve).listen(port, '127.0.0.1');
    await once(listener, 'listening');
    port = (listener.address() as AddressInfo).port;
  }

  async function stop(): Promise<void> {
    const closing = listener;
    listener = undefined;
    frozen = false;
    for (const socket of sockets) socket.resetAndDestroy();
    if (closing === undefined) return;
    closing.close();
    await once(closing, 'close');
  }

  await start();
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    start,
    stop,
    kill: stop,
    async freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    async thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    remove: stop,
  };
}
