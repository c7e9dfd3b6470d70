import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Provider, RunningServer } from './provider.ts';

const POSTGRES_IMAGE = 'postgres:17-alpine';
const REDIS_IMAGE = 'redis:7-alpine';
const CONNECT_LIMIT_MS = 200;

export const containerPostgres: Provider = {
  name: `container ${POSTGRES_IMAGE}`,
  available: engineAnswers,
  async start() {
    // Loaded only where an engine answers: the import alone takes a third of a second.
    const { GenericContainer, Wait } = await import('testcontainers');
    const container = await new GenericContainer(POSTGRES_IMAGE)
      .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
      .withCommand(['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=200'])
      .withExposedPorts(5432)
      // The image starts the server twice: once to set itself up, once for good.
      .withWaitStrategy(Wait.forLogMessage('ready to accept connections', 2))
      .start();
    return running(container, (host, port) => `postgresql://postgres@${host}:${port}/postgres`, 5432);
  },
};

export const containerRedis: Provider = {
  name: `container ${REDIS_IMAGE}`,
  available: engineAnswers,
  async start() {
    const { GenericContainer, Wait } = await import('testcontainers');
    const container = await new GenericContainer(REDIS_IMAGE)
      .withExposedPorts(6379)
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
      .start();
    return running(container, (host, port) => `redis://${host}:${port}`, 6379);
  },
};

interface Container {
  getHost(): string;
  getMappedPort(port: number): number;
  stop(): Promise<unknown>;
}

function running(container: Container, url: (host: string, port: number) => string, port: number): RunningServer {
  return {
    url: url(container.getHost(), container.getMappedPort(port)),
    stop: async () => void (await container.stop()),
  };
}

/** A docker program being there proves nothing; an engine that accepts a connection does. */
async function engineAnswers(): Promise<boolean> {
  const host = process.env.DOCKER_HOST ?? '';
  if (host !== '' && !host.startsWith('unix://')) {
    const { hostname, port } = new URL(host);
    return accepts({ host: hostname, port: Number(port || 2375) });
  }
  const sockets =
    host === '' ? ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')] : [host.slice('unix://'.length)];
  for (const path of sockets) if (await accepts({ path })) return true;
  return false;
}

function accepts(address: { path: string } | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: CONNECT_LIMIT_MS });
    const answer = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.on('connect', () => answer(true));
    socket.on('error', () => answer(false));
    socket.on('timeout', () => answer(false));
  });
}
