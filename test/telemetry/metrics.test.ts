import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { Metrics, SECONDS } from '../../src/telemetry/metrics.ts';
import { measureProcess } from '../../src/telemetry/process-metrics.ts';
import { suite } from '../support/suite.ts';
import { parseExposition } from './exposition.ts';

const test = suite('metrics');

test('counts by labels, and says what is counted', () => {
  const metrics = new Metrics();
  const requests = metrics.counter('requests_total', 'Requests.', ['method', 'status']);
  requests.with('GET', '200').add();
  requests.with('GET', '200').add(2);
  requests.with('GET', '404').add();
  const plain = metrics.counter('plain_total', 'Plain.').with();
  plain.add();
  assert.is(
    metrics.text(),
    [
      '# HELP requests_total Requests.',
      '# TYPE requests_total counter',
      'requests_total{method="GET",status="200"} 3',
      'requests_total{method="GET",status="404"} 1',
      '# HELP plain_total Plain.',
      '# TYPE plain_total counter',
      'plain_total 1',
      '',
    ].join('\n'),
  );
});

test('reads what others keep at the moment of asking', () => {
  const metrics = new Metrics();
  let now = 1;
  metrics.reading('gauge', 'now', 'Now.', () => now);
  metrics.reading('gauge', 'parts', 'Parts.', () => new Map([['a', now]]), 'part');
  now = 2;
  const read = parseExposition(metrics.text());
  assert.equal([read.value('now'), read.value('parts', { part: 'a' }), read.types.get('now')], [2, 2, 'gauge']);
});

test('puts every measurement into the first bucket that holds it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(...SECONDS))),
      (values) => {
        const metrics = new Metrics();
        const series = metrics.histogram('seconds', 'Seconds.', ['kind']).with('x');
        for (const value of values) series.observe(value);
        const read = parseExposition(metrics.text());
        for (const bound of [...SECONDS, Number.POSITIVE_INFINITY]) {
          const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound);
          const expected = values.filter((value) => value <= bound).length;
          assert.is(read.value('seconds_bucket', { kind: 'x', le }), expected, `le ${le}`);
        }
        assert.is(read.value('seconds_count', { kind: 'x' }), values.length);
        assert.ok(
          Math.abs((read.value('seconds_sum', { kind: 'x' }) ?? Number.NaN) - values.reduce((a, b) => a + b, 0)) < 1e-6,
        );
      },
    ),
  );
});

test('writes any label value so that it is read as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (texts) => {
      const metrics = new Metrics();
      const counter = metrics.counter('c_total', 'C.', ['a', 'b']);
      // What separates the values inside is no part of any of ours.
      const values = [...new Set(texts.map((text) => text.replaceAll('\0', '')))];
      for (const value of values) counter.with(value, 'b"\\\n').add();
      const { samples } = parseExposition(metrics.text());
      assert.equal(
        samples.map(({ labels }) => labels.a),
        values,
      );
      assert.ok(samples.every(({ labels }) => labels.b === 'b"\\\n'));
    }),
  );
});

test('forgets the series of a first label value, and no other', () => {
  const metrics = new Metrics();
  const reads = metrics.counter('reads_total', 'Reads.', ['tenant', 'type']);
  for (const [tenant, type] of [
    ['a', 'kv'],
    ['a', 'json'],
    ['b', 'kv'],
  ] as const)
    reads.with(tenant, type).add();
  reads.forget('a');
  const read = parseExposition(metrics.text());
  assert.equal([read.samples.length, read.value('reads_total', { tenant: 'b', type: 'kv' })], [1, 1]);
});

test('a name stands for one thing, and a series has all its labels', () => {
  const metrics = new Metrics();
  const counter = metrics.counter('x_total', 'X.', ['a']);
  assert.throws(() => metrics.counter('x_total', 'X.'), 'two metrics');
  assert.throws(() => counter.with(), '0 values');
});

test('counting costs nanoseconds', () => {
  const metrics = new Metrics();
  const count = metrics.counter('x_total', 'X.').with();
  const seconds = metrics.histogram('s', 'S.').with();
  const best = (work: () => void) =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const started = performance.now();
        for (let n = 0; n < 200_000; n++) work();
        return ((performance.now() - started) / 200_000) * 1e6;
      }),
    );
  const costs = [best(() => count.add()), best(() => seconds.observe(0.003))];
  // An order of magnitude above what it is, for machines that do something else as well.
  assert.ok(
    costs.every((nanoseconds) => nanoseconds < 500),
    `${costs.map(Math.round)} ns`,
  );
  assert.is(count.value, 1_000_000);
});

test('the process tells its start, its memory and how late its event loop is', async () => {
  const metrics = new Metrics();
  const stop = measureProcess(metrics, '1.2.3');
  try {
    await sleep(60);
    const idle = parseExposition(metrics.text());
    assert.ok(Math.abs((idle.value('process_start_time_seconds') ?? 0) - (Date.now() / 1000 - process.uptime())) < 2);
    assert.ok((idle.value('process_resident_memory_bytes') ?? 0) > 10e6);
    assert.ok((idle.value('process_cpu_seconds_total') ?? 0) > 0);
    assert.is(idle.value('scaivault_build_info', { version: '1.2.3' }), 1);
    await sleep(60);
    const until = Date.now() + 300;
    while (Date.now() < until);
    await sleep(60);
    const late = parseExposition(metrics.text());
    const worst = late.value('scaivault_event_loop_lag_seconds', { quantile: '1' }) ?? 0;
    assert.ok(worst > 0.2 && worst < 5, `${worst}`);
    assert.ok((late.value('scaivault_event_loop_lag_seconds', { quantile: '0.5' }) ?? 1) < worst);
    await sleep(60);
    const after = parseExposition(metrics.text()).value('scaivault_event_loop_lag_seconds', { quantile: '1' }) ?? 1;
    assert.ok(after < worst, 'it is the lag since the last time');
  } finally {
    stop();
  }
});

test.run();
