/** Exit codes of every subcommand (spec 01). Scripts rely on them: the numbers never change their meaning. */
export const EXIT = {
  DONE: 0,
  FAILED: 1,
  NOT_AUTHENTICATED: 2,
  NOT_ALLOWED: 3,
  NOT_FOUND: 4,
  INVALID_INPUT: 5,
  /** `doctor` and `backup-verify`: all passed, some with warnings. */
  WARNINGS: 6,
  /** EX_USAGE */
  USAGE: 64,
  /** EX_UNAVAILABLE: a dependency cannot be reached. */
  UNAVAILABLE: 69,
  /** EX_TEMPFAIL: try again. */
  TRY_AGAIN: 75,
  /** EX_CONFIG */
  CONFIGURATION: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
