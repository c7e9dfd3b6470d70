import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { scaivault } from '../support/scaivault.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { withClient } from './fixtures.ts';

const test = suite('scaivault migrate on a server that freezes', { timeoutMs: 120_000 });

test('while it waits for another migrator: ends with 69 within a minute', async () => {
  const server = await startPrivatePostgres();
  await withClient(server.url, async (holder) => {
    await holder.query(`SELECT pg_advisory_lock(hashtextextended('scaivault:migrate', 0))`);
    const migrator = scaivault(['migrate'], { DATABASE_URL: server.url });
    await sleep(7_000);
    assert.match(migrator.stderr(), /waiting for another migrator/);
    await server.freeze();
    const frozen = Date.now();
    const { code, stderr } = await migrator.finished;
    assert.is(code, 69, stderr);
    assert.match(stderr, /no answer within 30 s/);
    assert.ok(Date.now() - frozen < 60_000);
    await server.thaw();
  });
  await server.remove();
});

test.run();
