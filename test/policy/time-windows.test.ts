import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { DAYS, type Day } from '../../src/policy/conditions/schema.ts';
import { TimeWindow } from '../../src/policy/conditions/time-windows.ts';
import { suite } from '../support/suite.ts';

const test = suite('time windows of a rule');

interface Hours {
  readonly days?: readonly Day[];
  readonly start: string;
  readonly end: string;
  readonly timezone?: string;
}
const HOUR = 3_600_000;
const MINUTE = 60_000;
const BERLIN = 'Europe/Berlin';

const isOpen = (window: Hours, time: string) => new TimeWindow(window).isOpen(Date.parse(time));

/** Minutes that a window is open between two moments. */
function minutesOpen(window: Hours, from: string, to: string): number {
  const made = new TimeWindow(window);
  let open = 0;
  for (let at = Date.parse(from); at < Date.parse(to); at += MINUTE) if (made.isOpen(at)) open++;
  return open;
}

test('begins with its first minute and ends before its last', () => {
  const office: Hours = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], start: '08:00', end: '17:00', timezone: BERLIN };
  // A Monday in winter: UTC + 1.
  assert.not(isOpen(office, '2026-11-23T06:59:59.999Z'));
  assert.ok(isOpen(office, '2026-11-23T07:00:00.000Z'));
  assert.ok(isOpen(office, '2026-11-23T15:59:59.999Z'));
  assert.not(isOpen(office, '2026-11-23T16:00:00.000Z'));
  // In summer: UTC + 2.
  assert.ok(isOpen(office, '2026-07-20T06:00:00.000Z'));
  assert.not(isOpen(office, '2026-07-20T15:00:00.000Z'));
  // A Saturday, and the Sunday that is Monday already somewhere else.
  assert.not(isOpen(office, '2026-11-28T10:00:00.000Z'));
  const early: Hours = { days: ['mon'], start: '00:00', end: '02:00', timezone: BERLIN };
  assert.ok(isOpen(early, '2026-11-22T23:30:00Z'));
  assert.not(isOpen({ ...early, timezone: 'UTC' }, '2026-11-22T23:30:00Z'));
});

test('every day in UTC unless it says otherwise', () => {
  for (let day = 23; day < 30; day++) assert.ok(isOpen({ start: '08:00', end: '09:00' }, `2026-11-${day}T08:30:00Z`));
  assert.not(isOpen({ start: '08:00', end: '09:00' }, '2026-11-23T09:00:00Z'));
});

test('over midnight, the days are those on which it begins', () => {
  const friday: Hours = { days: ['fri'], start: '22:00', end: '06:00', timezone: 'UTC' };
  assert.not(isOpen(friday, '2026-11-27T05:59:00Z'), 'Friday morning belongs to Thursday');
  assert.not(isOpen(friday, '2026-11-27T21:59:00Z'));
  assert.ok(isOpen(friday, '2026-11-27T22:00:00Z'));
  assert.ok(isOpen(friday, '2026-11-28T00:00:00Z'));
  assert.ok(isOpen(friday, '2026-11-28T05:59:59Z'));
  assert.not(isOpen(friday, '2026-11-28T06:00:00Z'));
  assert.not(isOpen(friday, '2026-11-28T22:00:00Z'));
  const sunday: Hours = { ...friday, days: ['sun'] };
  assert.ok(isOpen(sunday, '2026-11-30T05:00:00Z'), 'into Monday');
});

test('ends at midnight in either spelling, and may be a whole day', () => {
  for (const end of ['24:00', '00:00']) {
    const evening: Hours = { days: ['mon'], start: '20:00', end };
    assert.ok(isOpen(evening, '2026-11-23T23:59:59.999Z'));
    assert.not(isOpen(evening, '2026-11-24T00:00:00Z'));
  }
  assert.is(minutesOpen({ start: '00:00', end: '24:00' }, '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'), 1440);
});

// Berlin, 2026: on 29 March 02:00 becomes 03:00 (01:00 UTC), on 25 October 03:00 becomes 02:00 (01:00 UTC). Both Sundays.
const SPRING = ['2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z'] as const;
const AUTUMN = ['2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z'] as const;

test('a night is an hour shorter in spring and an hour longer in autumn', () => {
  const night: Hours = { days: ['sat'], start: '22:00', end: '06:00', timezone: BERLIN };
  assert.is(minutesOpen(night, ...SPRING), 7 * 60);
  assert.is(minutesOpen(night, ...AUTUMN), 9 * 60);
  assert.not(isOpen(night, '2026-03-29T04:00:00Z'), '06:00 in summer already');
  assert.ok(isOpen(night, '2026-10-25T04:59:59Z'), '05:59 in winter already');
  assert.not(isOpen(night, '2026-10-25T05:00:00Z'));
});

test('an hour that spring leaves out is not made up for', () => {
  const leftOut: Hours = { days: ['sun'], start: '02:00', end: '03:00', timezone: BERLIN };
  assert.is(minutesOpen(leftOut, ...SPRING), 0);
  assert.is(minutesOpen({ ...leftOut, start: '02:30', end: '03:30' }, ...SPRING), 30);
  assert.is(minutesOpen({ ...leftOut, start: '01:30', end: '02:30' }, ...SPRING), 30);
  assert.ok(isOpen({ ...leftOut, start: '01:30', end: '03:30' }, '2026-03-29T01:00:00Z'), '03:00 follows 01:59');
});

test('an hour that comes twice in autumn counts twice', () => {
  const twice: Hours = { days: ['sun'], start: '02:00', end: '03:00', timezone: BERLIN };
  assert.is(minutesOpen(twice, ...AUTUMN), 120);
  const across: Hours = { ...twice, start: '01:30', end: '02:30' };
  assert.is(minutesOpen(across, ...AUTUMN), 90);
  assert.ok(isOpen(across, '2026-10-25T00:29:00Z'), '02:29 in summer');
  assert.not(isOpen(across, '2026-10-25T00:30:00Z'), '02:30 in summer');
  assert.ok(isOpen(across, '2026-10-25T01:00:00Z'), '02:00 again');
});

test('where midnight itself is left out or comes twice', () => {
  // Santiago, 2026: Saturday 4 April 24:00 becomes 23:00; Saturday 5 September 24:00 becomes 01:00 of Sunday.
  const sunday: Hours = { days: ['sun'], start: '00:00', end: '24:00', timezone: 'America/Santiago' };
  assert.is(minutesOpen(sunday, '2026-09-04T00:00:00Z', '2026-09-09T00:00:00Z'), 23 * 60);
  const saturday: Hours = { ...sunday, days: ['sat'] };
  assert.is(minutesOpen(saturday, '2026-04-03T00:00:00Z', '2026-04-08T00:00:00Z'), 25 * 60);
  const late: Hours = { ...sunday, days: ['sat'], start: '23:00', end: '01:00' };
  assert.is(minutesOpen(late, '2026-09-04T00:00:00Z', '2026-09-09T00:00:00Z'), 60);
  assert.is(minutesOpen(late, '2026-04-03T00:00:00Z', '2026-04-08T00:00:00Z'), 180);
});

test('half hours, odd offsets and zones without summer time', () => {
  const nine = (timezone: string): Hours => ({ start: '09:00', end: '09:01', timezone });
  assert.ok(isOpen(nine('Asia/Kathmandu'), '2026-11-23T03:15:00Z'));
  assert.ok(isOpen(nine('Asia/Kolkata'), '2026-11-23T03:30:00Z'));
  assert.ok(isOpen(nine('America/St_Johns'), '2026-11-23T12:30:00Z'));
  assert.ok(isOpen(nine('Etc/GMT+12'), '2026-11-23T21:00:00Z'));
  // Lord Howe changes by half an hour: on 4 October 2026 02:00 becomes 02:30.
  const lordHowe: Hours = { days: ['sun'], start: '01:00', end: '03:00', timezone: 'Australia/Lord_Howe' };
  assert.is(minutesOpen(lordHowe, '2026-10-03T00:00:00Z', '2026-10-05T00:00:00Z'), 90);
});

/** The offset by the law's words, without a table of time zones: summer time between the last Sundays, from 01:00 UTC. */
function berlinOffset(ms: number): number {
  const lastSunday = (month: number) => {
    const end = new Date(Date.UTC(new Date(ms).getUTCFullYear(), month + 1, 0, 1));
    return end.getTime() - end.getUTCDay() * 24 * HOUR;
  };
  return ms >= lastSunday(2) && ms < lastSunday(9) ? 2 * HOUR : HOUR;
}

test('agrees with the law of summer time, minute by minute', () => {
  const around = fc.constantFrom(
    '2026-03-29T01:00:00Z',
    '2026-10-25T01:00:00Z',
    '2027-03-28T01:00:00Z',
    '2026-06-01T00:00:00Z',
  );
  const moment = fc
    .tuple(around, fc.integer({ min: -3000, max: 3000 }))
    .map(([at, minutes]) => Date.parse(at) + minutes * MINUTE);
  const clock = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  const days = fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 });
  const window = fc.tuple(days, fc.nat(1439), fc.integer({ min: 1, max: 1439 }));
  fc.assert(
    fc.property(window, moment, ([chosen, start, length], at) => {
      const end = (start + length) % 1440;
      const local = new Date(at + berlinOffset(at));
      const [today, minute] = [(local.getUTCDay() + 6) % 7, local.getUTCHours() * 60 + local.getUTCMinutes()];
      const began = (day: number, since: number) =>
        chosen.includes(DAYS[(day + 7) % 7]!) && since >= start && since < start + length;
      const expected = began(today, minute) || began(today - 1, minute + 1440);
      const made = new TimeWindow({ days: chosen, start: clock(start), end: clock(end), timezone: BERLIN });
      assert.is(made.isOpen(at), expected, `${chosen} ${clock(start)}-${clock(end)} at ${new Date(at).toISOString()}`);
    }),
    { numRuns: 5_000 },
  );
});

test('what is no window is refused', () => {
  for (const [start, end] of [
    ['8:00', '17:00'],
    ['08:00', '17:60'],
    ['08:00', '24:01'],
    ['08:00', '25:00'],
    ['08:00:00', '17:00'],
    ['', '17:00'],
    ['08.00', '17:00'],
    [' 08:00', '17:00'],
    ['-1:00', '17:00'],
    ['８:00', '17:00'],
  ] as const) {
    assert.throws(() => new TimeWindow({ start, end }), /is no time of day/, `${start} ${end}`);
  }
  assert.throws(() => new TimeWindow({ start: '08:00', end: '08:00' }), /empty or a whole day/);
  assert.throws(() => new TimeWindow({ start: '24:00', end: '08:00' }), /does not begin at 24:00/);
});

test('an unknown zone leaves open whether it is open, and offsets are no zones', () => {
  for (const timezone of [
    'Mars/Olympus',
    '+01:00',
    'GMT+1',
    '',
    'Europe/Berlin ',
    '../etc/passwd',
    'Europe/Berlin\0',
  ]) {
    const window = new TimeWindow({ start: '00:00', end: '24:00', timezone });
    assert.is(window.unknownZone, timezone);
    assert.is(window.isOpen(0), null);
  }
  for (const timezone of ['UTC', BERLIN, 'Asia/Calcutta', 'Asia/Kolkata', 'Etc/GMT+1', 'America/Argentina/Ushuaia']) {
    assert.is(new TimeWindow({ start: '00:00', end: '24:00', timezone }).unknownZone, null, timezone);
  }
});

test('a window covers what it is open with always', () => {
  const office: Hours = { days: ['mon', 'tue'], start: '08:00', end: '17:00', timezone: BERLIN };
  const covers = (outer: Hours, inner: Hours) => new TimeWindow(outer).covers(new TimeWindow(inner));
  assert.ok(covers(office, office));
  assert.ok(covers(office, { ...office, days: ['tue'], start: '09:00', end: '12:00' }));
  assert.not(covers(office, { ...office, end: '17:01' }));
  assert.not(covers(office, { ...office, days: ['wed'] }));
  assert.not(covers(office, { ...office, timezone: 'UTC' }));
  assert.not(covers(office, { ...office, start: '17:00', end: '08:00' }));
  const night: Hours = { ...office, start: '22:00', end: '06:00' };
  assert.ok(covers(night, { ...night, start: '23:00', end: '05:00' }));
  assert.ok(covers(night, { ...night, start: '22:00', end: '24:00' }));
});

test.run();
