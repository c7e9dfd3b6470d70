import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Timestamp } from '../../contract/schemas.ts';

/** The days of a time window, from the first of the week on as ISO 8601 counts them. */
export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export const DEFAULT_MAX_MFA_AGE = '12h';
const DEFAULT_TIMEZONE = 'UTC';

const closed = { additionalProperties: false } as const;

const TimeOfDay = (description: string) => Type.String({ maxLength: 16, description });

const TimeWindow = Type.Object(
  {
    days: Type.Optional(
      Type.Array(Type.Enum([...DAYS]), {
        minItems: 1,
        maxItems: DAYS.length,
        uniqueItems: true,
        description: 'The days on which the window begins; default: every day.',
      }),
    ),
    start: TimeOfDay('HH:MM on a clock in the time zone; the window begins with this minute.'),
    end: TimeOfDay('HH:MM, or 24:00; the window ends before this minute. Before `start`: on the next day.'),
    timezone: Type.Optional(Type.String({ maxLength: 64, description: 'An IANA time zone; default: UTC.' })),
  },
  closed,
);

/** Conditions of a rule, as the API takes them and as they are stored. All of them must hold. */
export const ConditionsInput = Type.Object(
  {
    ip_ranges: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        minItems: 1,
        maxItems: 100,
        uniqueItems: true,
        description: 'Addresses and CIDR ranges, one of which the caller comes from: 10.0.0.0/8, 2001:db8::/32.',
      }),
    ),
    require_mfa: Type.Optional(Type.Boolean({ description: 'Allow rules only.' })),
    max_mfa_age: Type.Optional(
      Type.String({ maxLength: 64, description: `A duration; default ${DEFAULT_MAX_MFA_AGE}. Allow rules only.` }),
    ),
    time_windows: Type.Optional(Type.Array(TimeWindow, { minItems: 1, maxItems: 20 })),
    not_before: Type.Optional(Timestamp),
    not_after: Type.Optional(Timestamp),
  },
  closed,
);
export type ConditionsInput = Static<typeof ConditionsInput>;

/** Conditions with their defaults filled in, as the API gives and stores them. */
export type ConditionsText = ConditionsInput;

const StoredConditions = Compile(ConditionsInput);

/** Whether what is stored has the shape of conditions; their values are another matter. */
export function isConditions(stored: unknown): stored is ConditionsText {
  return StoredConditions.Check(stored);
}

/**
 * Fills the defaults in. What means nothing is left out: two rules with the same conditions have the same text.
 * @returns undefined where there is no condition at all
 */
export function fillConditions(given: ConditionsInput | undefined): ConditionsText | undefined {
  if (given === undefined) return undefined;
  const { ip_ranges, require_mfa, max_mfa_age, time_windows, not_before, not_after } = given;
  // `false` beside an age is a contradiction, which the reader of the text refuses.
  const asksMfa = require_mfa === true || max_mfa_age !== undefined;
  const filled: ConditionsText = {
    ...(ip_ranges === undefined ? {} : { ip_ranges }),
    ...(asksMfa ? { require_mfa: require_mfa ?? true, max_mfa_age: max_mfa_age ?? DEFAULT_MAX_MFA_AGE } : {}),
    ...(time_windows === undefined ? {} : { time_windows: time_windows.map(fillWindow) }),
    ...(not_before === undefined ? {} : { not_before }),
    ...(not_after === undefined ? {} : { not_after }),
  };
  return Object.keys(filled).length === 0 ? undefined : filled;
}

function fillWindow({ days = [...DAYS], start, end, timezone = DEFAULT_TIMEZONE }: Static<typeof TimeWindow>) {
  return { days, start, end, timezone };
}
