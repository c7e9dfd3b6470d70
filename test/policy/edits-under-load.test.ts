import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/load.ts';
import { productionWorld, serverSettings } from '../../src/http/production.ts';
import { type RunningServer, startServer } from '../../src/http/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type House, startHouse } from '../http/house.ts';
import { client } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('a policy that is edited while it is asked', { timeoutMs: 30_000 });

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let house: House;
let second: RunningServer;
let replica: ReturnType<typeof client>;
test.before(async () => {
  house = await startHouse();
  const config = loadConfig('serve', house.env);
  const world = productionWorld(config, systemClock(), SILENT);
  second = await startServer(serverSettings(config, config.BASE_URL, 'replica', SILENT), world, SILENT);
  replica = client(house, `http://127.0.0.1:${second.port}`);
});
test.after(async () => {
  await second.stop('test');
  await house.stop();
});

const HERE = { ip_ranges: ['127.0.0.0/8'] };
/** Both refuse half/x and allow half/y, each by other rules: the allow of one with the deny of the other would differ. */
const STATES = [
  [
    { path_pattern: 'half/**', permissions: ['read'], conditions: HERE },
    { path_pattern: 'half/x', permissions: ['read'], effect: 'deny', conditions: HERE },
  ],
  [
    { path_pattern: 'half/y', permissions: ['read'] },
    { path_pattern: 'other', permissions: ['read'], effect: 'deny' },
  ],
  [
    { path_pattern: '**', permissions: ['admin'] },
    { path_pattern: '*/x', permissions: ['read'], effect: 'deny' },
    { path_pattern: 'half/y', permissions: ['read'], effect: 'deny', conditions: { ip_ranges: ['192.0.2.1'] } },
  ],
];
const EDITS = 20;
const CLIENTS = 8;

test('judges no request by half of it, on either replica', async () => {
  const writer = house.token({ sub: 'usr_writer' });
  await house.allow([{ path_pattern: 'half/*', permissions: ['write'] }], 'user:usr_writer');
  for (const path of ['x', 'y']) {
    const written = await house.ask('PUT', `/v1/secrets/half/${path}`, { token: writer, body: { data: { path } } });
    assert.is(written.status, 201, written.text);
  }
  const policy = await house.allow(STATES[0]!, 'user:usr_reader');
  const token = house.token({ sub: 'usr_reader' });
  let [edits, asked] = [0, 0];
  const admin = house.adminToken();
  const edit = async () => {
    while (edits < EDITS) {
      const server = edits % 2 === 0 ? house : replica;
      const body = { rules: STATES[(edits + 1) % STATES.length] };
      const changed = await server.ask('PATCH', `/v1/policies/${policy}`, { token: admin, body });
      assert.is(changed.status, 200, changed.text);
      edits++;
      await sleep(5);
    }
  };
  const ask = async (server: Pick<House, 'ask'>) => {
    while (edits < EDITS) {
      const [x, y] = await Promise.all([
        server.ask('GET', '/v1/secrets/half/x', { token }),
        server.ask('GET', '/v1/secrets/half/y', { token }),
      ]);
      assert.is(x.status, 403, `half/x was given after ${edits} edits: ${x.text}`);
      assert.is(y.status, 200, `half/y was refused after ${edits} edits: ${y.text}`);
      asked += 2;
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, at) => ask(at % 2 === 0 ? house : replica));
  // One that fails ends the others.
  await Promise.all([edit(), ...clients]).finally(() => {
    edits = Number.POSITIVE_INFINITY;
  });
  assert.ok(asked > 100, `only ${asked} requests`);
  const versions = await house.sql<{ version: number }>('SELECT version FROM policies WHERE id = $1', [policy]);
  assert.is(versions[0]?.version, EDITS + 1, 'no edit was lost');
});

test('follows on the other replica within a second, also where nothing is read', async () => {
  const policy = await house.allow([{ path_pattern: 'none', permissions: ['write'] }], 'user:usr_fast');
  const token = house.token({ sub: 'usr_fast' });
  let written = 0;
  const put = async () => {
    const answer = await replica.ask('PUT', `/v1/secrets/fast/n${++written}`, { token, body: { data: {} } });
    return answer.body.error?.code ?? answer.status;
  };
  const edit = async (...rules: readonly object[]) => {
    const body = { rules };
    const changed = await house.ask('PATCH', `/v1/policies/${policy}`, { token: house.adminToken(), body });
    assert.is(changed.status, 200, changed.text);
    await sleep(1_000);
  };
  const fast = { path_pattern: 'fast/*', permissions: ['write'] };
  await edit(fast);
  assert.is(await put(), 201);
  await edit({ ...fast, conditions: { ip_ranges: ['192.0.2.1'] } });
  assert.is(await put(), 'ip_not_allowed');
  await edit({ ...fast, conditions: HERE });
  assert.is(await put(), 201);
  await edit(fast, { ...fast, effect: 'deny', conditions: HERE });
  assert.is(await put(), 'access_denied');
});

test.run();
