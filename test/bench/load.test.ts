import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createRawServer, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { type Load, load, request } from '../../scripts/bench/load.ts';
import { median, percentile } from '../../scripts/bench/statistics.ts';
import { suite } from '../support/suite.ts';

const test = suite('the load of the bench');

async function serving<T>(handle: RequestListener, work: (port: number) => Promise<T>): Promise<T> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work((server.address() as AddressInfo).port);
  } finally {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
}

function requests(port: number, count: number, over: Partial<Load> = {}): Load {
  let left = count;
  const next = () => (left-- > 0 ? request('GET', `/${left}`, 'token') : null);
  return { port, connections: 4, seconds: 10, next, signal: new AbortController().signal, ...over };
}

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

test('counts each answer once and sends what it was given', async () => {
  const seen: string[] = [];
  const result = await serving(
    (request, response) => {
      seen.push(`${request.url} ${request.headers.authorization}`);
      const body = 'x'.repeat(seen.length * 37);
      response.writeHead(200, { 'content-length': body.length }).end(body);
    },
    (port) => load(requests(port, 500)),
  );
  assert.is(result.requests, 500);
  assert.is(new Set(seen).size, 500);
  assert.ok(seen.every((line) => line.endsWith(' Bearer token')));
  assert.ok(result.perSecond > 0 && result.p50 > 0 && result.p99 >= result.p50);
});

test('sends a body that is complete', async () => {
  const body = { data: { password: 'pässwörd' } };
  await serving(
    async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      assert.equal(JSON.parse(Buffer.concat(chunks).toString()), body);
      response.writeHead(201, { 'content-length': 0 }).end();
    },
    async (port) => {
      let left = 20;
      const next = () => (left-- > 0 ? request('PUT', '/', 'token', body) : null);
      assert.is((await load(requests(port, 0, { next }))).requests, 20);
    },
  );
});

test('reads an answer that comes in pieces, whatever the pieces', async () => {
  const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
  let cut = 0;
  const server = createRawServer((socket: Socket) => {
    socket.setNoDelay(true).on('data', async () => {
      const at = cut++ % answer.length;
      socket.write(answer.subarray(0, at));
      await new Promise(setImmediate);
      socket.write(answer.subarray(at));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const result = await load(requests((server.address() as AddressInfo).port, answer.length));
  assert.is(result.requests, answer.length);
  server.close();
});

test('is no measurement when an answer refuses, has no length, or never comes', async () => {
  const refused = await serving(
    (_request, response) => response.writeHead(429, { 'content-length': 6 }).end('slower'),
    (port) => failure(load(requests(port, 10))),
  );
  assert.match(refused.message, /429.*slower/);
  const cut = await serving(
    (request) => request.socket.destroy(),
    (port) => failure(load(requests(port, 10))),
  );
  assert.match(cut.message, /closed|ECONNRESET|hang up/i);
  const chunked = await serving(
    (_request, response) => response.writeHead(200).write('a'),
    (port) => failure(load(requests(port, 10))),
  );
  assert.match(chunked.message, /an answer was: HTTP\/1\.1 200/);
});

test('ends when its time is over, and when it is told to', async () => {
  await serving(
    (_request, response) => response.writeHead(200, { 'content-length': 0 }).end(),
    async (port) => {
      const started = performance.now();
      await load(requests(port, 1e9, { seconds: 0.3 }));
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 100);
      await load(requests(port, 1e9, { signal: controller.signal }));
      assert.ok(performance.now() - started < 5_000);
    },
  );
});

test('has the usual idea of a median and of percentiles', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1);
  assert.equal(
    [0, 0.5, 0.99, 1].map((share) => percentile(hundred, share)),
    [1, 50, 99, 100],
  );
});

test.run();
