const DAY_MS = 86_400_000;

/** A hundred years: added to any date of this century it still fits what JavaScript and PostgreSQL can hold. */
export const MAX_DURATION_MS = 36_500 * DAY_MS;

// Each unit at most once, in this order: `1d12h`, never `12h1d` or `1h1h`. Ten digits stay exact in a double.
const DURATION = /^(?:(\d{1,10})d)?(?:(\d{1,10})h)?(?:(\d{1,10})m)?(?:(\d{1,10})s)?$/;
const UNITS_MS = [DAY_MS, 3_600_000, 60_000, 1000] as const;

/**
 * Reads `90d`, `48h`, `15m`, `30s` or a combination such as `1d12h`.
 *
 * @returns milliseconds, or null for anything else: no unit, other units, signs, fractions, white space, above
 *   {@link MAX_DURATION_MS}. The caller knows which error fits.
 */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  if (match === null || text === '') return null;
  const total = UNITS_MS.reduce((sum, unit, index) => sum + Number(match[index + 1] ?? 0) * unit, 0);
  return total <= MAX_DURATION_MS ? total : null;
}
