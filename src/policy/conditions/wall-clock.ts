import { LRUCache } from 'lru-cache';

/** What a clock on the wall shows. */
export interface WallTime {
  /** 0: Monday. */
  readonly day: number;
  /** Since midnight, 0 to 1439. */
  readonly minute: number;
}

/** Letters first: an offset such as `+01:00` is no zone and knows no summer. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+/-]*$/;
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
/** About 25 kB each. */
const MAX_CLOCKS = 200;

/** The clocks of a time zone: its days and minutes as its law has them, summer time included. */
export class WallClock {
  readonly #format: Intl.DateTimeFormat;
  #second = Number.NaN;
  #shown: WallTime = { day: 0, minute: 0 };

  /** @throws RangeError where this process knows no such zone */
  constructor(timezone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  }

  /** @param ms since the epoch */
  at(ms: number): WallTime {
    // Many rules ask for the time of one moment.
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#shown = this.#read(ms);
      this.#second = second;
    }
    return this.#shown;
  }

  #read(ms: number): WallTime {
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const day = WEEKDAYS.indexOf(parts.get('weekday') ?? '');
    const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
    if (day < 0 || !Number.isInteger(minute)) throw new Error('Intl gave a time of another form than it was asked for');
    return { day, minute };
  }
}

const clocks = new LRUCache<string, WallClock>({ max: MAX_CLOCKS });

/** The clock of an IANA time zone, or null where this process knows no such zone. */
export function wallClock(timezone: string): WallClock | null {
  const known = clocks.get(timezone);
  if (known !== undefined) return known;
  if (!ZONE_NAME.test(timezone)) return null;
  try {
    const clock = new WallClock(timezone);
    clocks.set(timezone, clock);
    return clock;
  } catch {
    return null;
  }
}
