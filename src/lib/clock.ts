import { performance } from 'node:perf_hooks';

/** The wall clock as the rest of the house sees it, so that a test can steer it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Microseconds since the Unix epoch; strictly increasing within the process. */
  nowMicros(): number;
}

// A step of the system clock larger than this re-anchors the microsecond clock.
const MAX_DRIFT_MS = 2;

export function systemClock(): Clock {
  let anchorWall = Date.now();
  let anchorMonotonic = performance.now();
  let last = 0;
  return {
    nowMs: () => Date.now(),
    nowMicros: () => {
      const wall = Date.now();
      const monotonic = performance.now();
      let now = anchorWall + (monotonic - anchorMonotonic);
      if (Math.abs(now - wall) > MAX_DRIFT_MS) {
        anchorWall = wall;
        anchorMonotonic = monotonic;
        now = wall;
      }
      last = Math.max(last + 1, Math.floor(now * 1000));
      return last;
    },
  };
}

/** Milliseconds since the epoch as ISO 8601 UTC with milliseconds. */
export function isoMillis(ms: number): string {
  return new Date(ms).toISOString();
}

/** A point in time as ISO 8601 UTC with milliseconds. */
export function isoTime(at: Date): string {
  return at.toISOString();
}

export function isoTimeOrNull(at: Date | null): string | null {
  return at === null ? null : isoTime(at);
}

/** Microseconds since the epoch as ISO 8601 UTC with microseconds (audit, events). */
export function isoMicros(micros: number): string {
  const seconds = new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % 1_000_000).padStart(6, '0')}Z`;
}
