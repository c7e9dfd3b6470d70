import { once } from 'node:events';
import { connect } from 'node:net';
import { type ServerKind, startInstance } from './instance.ts';
import type { Provider, RunningServer } from './provider.ts';
import { which } from './which.ts';

export const localRedis: Provider = {
  name: 'local binary',
  available: async () => (await which('redis-server')) !== undefined,
  start: runRedis,
};

/** A server for the whole test run from the program on PATH. */
export async function runRedis(): Promise<RunningServer> {
  const instance = await startInstance(redisKind());
  return { url: instance.url, stop: instance.remove };
}

export function redisKind(): ServerKind {
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
  return {
    command: 'redis-server',
    stopSignal: 'SIGTERM',
    args: (directory, port) => ['--port', `${port}`, '--dir', directory, ...settings],
    url: (port) => `redis://127.0.0.1:${port}`,
    prepare: async () => {},
    probe: probeRedis,
  };
}

/** Asks by hand: a client library would go on trying by itself. Works for a server without a password. */
export async function probeRedis(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port || 6379), hostname);
  try {
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer within 5 s')));
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data');
    if (!/^(\+PONG|-NOAUTH)/.test(String(answer))) throw new Error(`not a Redis: ${String(answer).trim()}`);
  } finally {
    socket.destroy();
  }
}
