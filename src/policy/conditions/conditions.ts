import { parseDuration } from '../../lib/durations.ts';
import { parseUtcTime } from '../../lib/utc-time.ts';
import { IpRanges } from './ip-ranges.ts';
import { type ConditionsText, fillConditions } from './schema.ts';
import { TimeWindow } from './time-windows.ts';

/** The conditions of a rule, read. What is null is not asked for. */
export interface Conditions {
  /** Rules with the same text have the same conditions: what was found out about one is true of the other. */
  readonly text: string;
  readonly ipRanges: IpRanges | null;
  /** How many address ranges and time windows there are. */
  readonly ranges: number;
  /** How old a second factor may be. */
  readonly maxMfaAgeMs: number | null;
  /** One of them must be open. */
  readonly timeWindows: readonly TimeWindow[] | null;
  /** Milliseconds since the epoch; both moments are inside. */
  readonly notBefore: number | null;
  readonly notAfter: number | null;
}

/** Why conditions are refused. */
export class BadCondition extends Error {
  override readonly name = 'BadCondition';
  readonly code: 'invalid_policy' | 'invalid_duration';

  constructor(code: BadCondition['code'], condition: keyof ConditionsText, message: string) {
    super(`conditions.${condition}: ${message}`);
    this.code = code;
  }
}

/**
 * Reads conditions of the right shape. A time zone that this process does not know is let through: it may be known
 * where the rule was written, and what it decides cannot be determined here.
 * @throws BadCondition
 */
export function parseConditions(given: ConditionsText): Conditions {
  const { ip_ranges, require_mfa, max_mfa_age, time_windows, not_before, not_after } = fillConditions(given) ?? {};
  if (require_mfa === false && max_mfa_age !== undefined) {
    throw new BadCondition('invalid_policy', 'max_mfa_age', 'needs a second factor, and require_mfa is false.');
  }
  const notBefore = not_before === undefined ? null : timeOf('not_before', not_before);
  const notAfter = not_after === undefined ? null : timeOf('not_after', not_after);
  if (notBefore !== null && notAfter !== null && notAfter <= notBefore) {
    throw new BadCondition('invalid_policy', 'not_after', 'is not later than not_before, so the rule never applies.');
  }
  return {
    text: JSON.stringify([ip_ranges, max_mfa_age, time_windows?.map(textOf), not_before, not_after]),
    ranges: (ip_ranges?.length ?? 0) + (time_windows?.length ?? 0),
    ipRanges: ip_ranges === undefined ? null : named('ip_ranges', () => new IpRanges(ip_ranges)),
    maxMfaAgeMs: max_mfa_age === undefined ? null : ageOf(max_mfa_age),
    timeWindows: time_windows === undefined ? null : named('time_windows', () => time_windows.map(windowOf)),
    notBefore,
    notAfter,
  };
}

/** @throws BadCondition for a time zone that this process does not know */
export function refuseUnknownZones({ timeWindows }: Conditions): void {
  const unknown = timeWindows?.find((window) => window.unknownZone !== null);
  if (unknown === undefined) return;
  const hint = 'is no time zone known here. Write an IANA name such as Europe/Berlin or UTC, not an offset.';
  throw new BadCondition('invalid_policy', 'time_windows', `"${unknown.unknownZone}" ${hint}`);
}

type WindowText = NonNullable<ConditionsText['time_windows']>[number];

/** The members in one order: `jsonb` has one of its own. */
const textOf = ({ days, start, end, timezone }: WindowText) => [days, start, end, timezone];

const windowOf = (text: WindowText) => new TimeWindow(text);

function named<T>(condition: keyof ConditionsText, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? new BadCondition('invalid_policy', condition, error.message) : error;
  }
}

function ageOf(text: string): number {
  const age = parseDuration(text);
  if (age === null) throw new BadCondition('invalid_duration', 'max_mfa_age', 'write for example 12h, 30m or 1d12h.');
  if (age === 0) throw new BadCondition('invalid_policy', 'max_mfa_age', 'no second factor is that young.');
  return age;
}

function timeOf(condition: 'not_before' | 'not_after', text: string): number {
  const time = parseUtcTime(text);
  if (time !== null) return time;
  throw new BadCondition('invalid_policy', condition, 'write a time in UTC, like 2027-01-31T12:00:00Z.');
}
