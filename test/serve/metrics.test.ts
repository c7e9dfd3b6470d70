import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { type Exposition, parseExposition } from '../telemetry/exposition.ts';
import { killAll, launch, logLines, refusal, type Serving, serving } from './serving.ts';

const test = suite('the metrics of processes', { timeoutMs: 60_000 });
const APART = { METRICS_BIND_ADDRESS: '127.0.0.1:0' };
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment({ RATE_LIMIT_ENABLED: 'false' });
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

function addressOf({ process }: Serving): string {
  const line = logLines(process.stdout()).find(({ msg }) => msg === 'metrics are served');
  return String(line?.address);
}

async function scrape(server: Serving): Promise<Exposition> {
  // A connection of its own each time, so that any of the processes may get it.
  const answer = await fetch(`http://${addressOf(server)}/v1/metrics`, { headers: { connection: 'close' } });
  assert.is(answer.status, 200);
  return parseExposition(await answer.text());
}

test('are there from the start of one process to its end', async () => {
  const server = await serving(environment, APART);
  const now = await scrape(server);
  assert.is(now.value('scaivault_sealed'), 0);
  assert.ok(now.samples.every(({ labels }) => !('worker' in labels)));
  const end = await server.stop();
  assert.is(end.code, 0);
});

test('of several processes on one port come together, whichever is asked', async () => {
  const server = await serving(environment, { ...APART, SERVE_PROCESSES: '2' });
  await server.process.says(/("msg":"ready"[\s\S]*){2}/, 30_000);
  const ask = () => server.ask('GET', '/v1/health', { token: null, headers: { connection: 'close' } });
  for (let asked = 0; asked < 40; asked++) assert.is((await ask()).status, 200);
  for (let scrapes = 0; scrapes < 6; scrapes++) {
    const now = await scrape(server);
    const workers = new Set(now.samples.map(({ labels }) => labels.worker));
    assert.equal([...workers].sort(), ['1', '2']);
    assert.is(now.sum('scaivault_requests_total', { path_category: 'health' }), 40);
    assert.is(now.samples.filter(({ name }) => name === 'process_start_time_seconds').length, 2);
  }
  const end = await server.stop();
  assert.is(end.code, 0, end.stderr);
});

test('on a port that is taken end the start with the reason', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const end = await launch(environment, { METRICS_BIND_ADDRESS: `127.0.0.1:${port}` }).finished;
  squatter.close();
  assert.is(end.code, 69);
  const { line, code } = refusal(end);
  assert.is(code, 'address_unusable');
  assert.is(
    line,
    `127.0.0.1:${port} is in use by another process. Choose another address with METRICS_BIND_ADDRESS or --metrics-bind-address.`,
  );
});

test.run();
