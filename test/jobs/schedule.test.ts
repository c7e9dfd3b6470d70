import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { startJobs } from '../../src/jobs/schedule.ts';
import { suite } from '../support/suite.ts';

const test = suite('background jobs');
const quiet = { error: () => {} };

test('runs a job again and again, never beside itself', async () => {
  let now = 0;
  let most = 0;
  let runs = 0;
  const run = async () => {
    runs++;
    most = Math.max(most, ++now);
    await sleep(25);
    now--;
  };
  const schedule = startJobs([{ name: 'slow', everyMs: 5, run }], quiet);
  while (runs < 3) await sleep(5);
  await schedule.stop();
  assert.is(most, 1);
  assert.is(now, 0, 'the stop waits for the run under way');
  const after = runs;
  await sleep(30);
  assert.is(runs, after);
});

test('logs a failure and tries again', async () => {
  const failures: unknown[] = [];
  let runs = 0;
  const run = async () => {
    if (++runs === 1) throw new Error('the first one fails');
  };
  const schedule = startJobs([{ name: 'flaky', everyMs: 5, run }], { error: (fields) => failures.push(fields.step) });
  while (runs < 2) await sleep(5);
  await schedule.stop();
  assert.equal(failures, ['flaky']);
});

test('does at the stop what only this process knows', async () => {
  const done: string[] = [];
  const job = (name: string, atStop: boolean) => ({ name, everyMs: 60_000, atStop, run: async () => done.push(name) });
  await startJobs([job('kept', true), job('left', false)], quiet).stop();
  assert.equal(done, ['kept']);
});

test.run();
