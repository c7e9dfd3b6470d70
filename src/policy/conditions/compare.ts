import type { Meter } from '../sequences.ts';
import type { Conditions } from './conditions.ts';

/**
 * Whether `inner` hold only where `outer` hold: for each condition of `outer` the same or a stronger one. What compares
 * two allow rules. True is always right.
 */
export function isAsStrong(inner: Conditions | null, outer: Conditions | null, meter: Meter): boolean {
  meter.steps++;
  if (outer === null) return true;
  if (inner === null) return false;
  return (
    isPart(inner.ipRanges, outer.ipRanges, (part, whole) => whole.covers(part, meter)) &&
    isPart(inner.maxMfaAgeMs, outer.maxMfaAgeMs, (part, whole) => part <= whole) &&
    isPart(inner.timeWindows, outer.timeWindows, (part, whole) => {
      meter.steps += part.length * whole.length;
      return part.every((window) => whole.some((other) => other.covers(window)));
    }) &&
    isPart(inner.notBefore, outer.notBefore, (part, whole) => part >= whole) &&
    isPart(inner.notAfter, outer.notAfter, (part, whole) => part <= whole)
  );
}

/**
 * Whether a deny rule under `outer` applies wherever one under `inner` does. A deny rule also applies where what it asks
 * for is not known, so `outer` must ask for the same or for nothing.
 */
export function deniesAsMuch(outer: Conditions | null, inner: Conditions | null, meter: Meter): boolean {
  if (outer === null) return true;
  if (inner === null) return false;
  const asksForAddress = inner.ipRanges === null || outer.ipRanges !== null;
  const asksForTime = inner.timeWindows === null || outer.timeWindows !== null;
  return asksForAddress && asksForTime && isAsStrong(inner, outer, meter);
}

/** What `whole` does not ask for, `part` need not have. */
function isPart<T>(part: T | null, whole: T | null, lies: (part: T, whole: T) => boolean): boolean {
  return whole === null || (part !== null && lies(part, whole));
}
