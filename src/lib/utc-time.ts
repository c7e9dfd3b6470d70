import { isoMillis } from './clock.ts';

const UTC_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z$/;

/**
 * ISO 8601 in UTC, like `2027-01-31T12:00:00Z`. The round trip refuses 30 February, which `Date` takes for 1 March.
 * @returns milliseconds since the epoch, or null for anything else; the caller knows which error fits
 */
export function parseUtcTime(text: string): number | null {
  const ms = UTC_TIME.test(text) ? Date.parse(text) : Number.NaN;
  return !Number.isNaN(ms) && isoMillis(ms).startsWith(text.slice(0, 19)) ? ms : null;
}
