import { DAYS, type Day } from './schema.ts';
import { type WallClock, wallClock } from './wall-clock.ts';

/** As it is stored. */
interface WindowText {
  readonly days?: readonly Day[];
  readonly start: string;
  readonly end: string;
  readonly timezone?: string;
}

const MIDNIGHT = 24 * 60;
const TIME_OF_DAY = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

/**
 * Hours of a week on the clocks of a time zone: it is open whenever such a clock shows a time in it. So an hour that a
 * change to summer time leaves out is not made up for, and one that comes twice counts twice. `days` are those on which
 * it begins; one that ends before it begins goes on into the next day.
 */
export class TimeWindow {
  readonly #timezone: string;
  /** Null: this process does not know the zone. */
  readonly #clock: WallClock | null;
  /** One bit a day. */
  readonly #days: number;
  readonly #start: number;
  /** Minutes since the midnight at which the day of its beginning began. */
  readonly #end: number;

  /** @throws RangeError, saying what is wrong; not for a zone that is unknown, which another release may know */
  constructor({ days = DAYS, start, end, timezone = 'UTC' }: WindowText) {
    this.#timezone = timezone;
    this.#clock = wallClock(timezone);
    this.#days = days.reduce((bits, day) => bits | (1 << DAYS.indexOf(day)), 0);
    this.#start = minuteOf(start);
    const last = minuteOf(end);
    if (this.#start === MIDNIGHT)
      throw new RangeError('a window does not begin at 24:00. Write 00:00 of the next day.');
    if (this.#start === last) {
      throw new RangeError(`a window from ${start} to ${end} is empty or a whole day. A day is from 00:00 to 24:00.`);
    }
    this.#end = last < this.#start ? last + MIDNIGHT : last;
  }

  /** The zone where this process does not know it, else null. */
  get unknownZone(): string | null {
    return this.#clock === null ? this.#timezone : null;
  }

  /** @param ms since the epoch @returns null where nobody knows */
  isOpen(ms: number): boolean | null {
    if (this.#clock === null) return null;
    const { day, minute } = this.#clock.at(ms);
    const begun = this.#beginsOn(day) && minute >= this.#start && minute < this.#end;
    return begun || (this.#beginsOn((day + 6) % 7) && minute < this.#end - MIDNIGHT);
  }

  #beginsOn(day: number): boolean {
    return ((this.#days >>> day) & 1) === 1;
  }

  /** Whether this is open whenever `inner` is. True is always right. */
  covers(inner: TimeWindow): boolean {
    const isLonger = this.#start <= inner.#start && inner.#end <= this.#end;
    return isLonger && this.#timezone === inner.#timezone && (inner.#days & ~this.#days) === 0;
  }
}

/** Minutes since midnight. */
function minuteOf(text: string): number {
  const match = TIME_OF_DAY.exec(text);
  if (match === null)
    throw new RangeError(`"${text}" is no time of day. Write for example 08:30, or 24:00 for an end.`);
  return match[1] === undefined ? MIDNIGHT : Number(match[1]) * 60 + Number(match[2]);
}
