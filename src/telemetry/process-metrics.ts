import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

const RESOLUTION_MS = 20;
const NANOS = 1e9;

/**
 * The process itself: since when it runs, what it uses, and how late its event loop is. The lag is that since the last
 * time it was asked for.
 * @returns what stops the measuring
 */
export function measureProcess(metrics: Metrics, release: string): () => void {
  const started = performance.timeOrigin / 1000;
  metrics.reading('gauge', 'process_start_time_seconds', 'When the process began, in Unix seconds.', () => started);
  metrics.reading('gauge', 'process_resident_memory_bytes', 'Memory in use, as the system counts it.', () =>
    process.memoryUsage.rss(),
  );
  metrics.reading('counter', 'process_cpu_seconds_total', 'Processor time used.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.reading(
    'gauge',
    'scaivault_build_info',
    'Always 1; the label tells the release.',
    () => new Map([[release, 1]]),
    'version',
  );

  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // It measures the time between two firings of a timer, not how late the second one is.
  const lateness = (nanos: number) => Math.max(0, nanos / NANOS - RESOLUTION_MS / 1000) || 0;
  metrics.reading(
    'gauge',
    'scaivault_event_loop_lag_seconds',
    'How late timers fired since the last scrape: median, 99th percentile and worst.',
    () => {
      const lag = new Map([
        ['0.5', lateness(delay.percentile(50))],
        ['0.99', lateness(delay.percentile(99))],
        ['1', lateness(delay.max)],
      ]);
      delay.reset();
      return lag;
    },
    'quantile',
  );
  return () => void delay.disable();
}
