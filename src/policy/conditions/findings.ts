import type { ErrorCode } from '../../contract/errors.ts';
import type { Conditions } from './conditions.ts';
import { addressNumber, type IpRanges } from './ip-ranges.ts';

/** What rules ask of a request beside who asks and for what. */
export interface Circumstances {
  /** As `canonicalIp` gives it; null: unknown (spec 12, "Source address"). */
  readonly sourceIp: string | null;
  /** Milliseconds since the epoch; null: no second factor. */
  readonly mfaVerifiedAt: number | null;
  readonly nowMs: number;
}

/** Conditions by the names of the API, and what a caller is told where one does not hold. */
export const FAILURES = {
  ip_ranges: 'ip_not_allowed',
  not_before: 'time_window_violation',
  not_after: 'time_window_violation',
  time_windows: 'time_window_violation',
  require_mfa: 'mfa_required',
  max_mfa_age: 'mfa_required',
} as const satisfies Record<string, ErrorCode>;
export type ConditionName = keyof typeof FAILURES;
export type FailureCode = (typeof FAILURES)[ConditionName];

/** What was found out about the conditions of a rule. */
interface Finding {
  /** The first one that does not hold, or that nobody can tell of; null: all of them hold. */
  readonly failed: ConditionName | null;
  readonly undetermined: boolean;
}

/**
 * What circumstances mean for conditions. Those of many rules are the same, so each is looked at once.
 */
export class Findings {
  readonly circumstances: Circumstances;
  readonly #known = new Map<string, Finding>();
  #address: bigint | null = null;

  constructor(circumstances: Circumstances) {
    this.circumstances = circumstances;
  }

  /** Of how many different conditions something was found out. For tests. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * What keeps a rule from applying; null: it applies. An allow rule applies when all its conditions hold, a deny rule
   * also when the address or the time zone that it asks for is not known (spec 12, "Deny, conditions, templates").
   */
  against(effect: 'allow' | 'deny', conditions: Conditions | null): ConditionName | null {
    if (conditions === null) return null;
    const { failed, undetermined } = this.#of(conditions);
    return effect === 'deny' && undetermined ? null : failed;
  }

  #of(conditions: Conditions): Finding {
    const known = this.#known.get(conditions.text);
    if (known !== undefined) return known;
    const found = { failed: this.#firstFailed(conditions), undetermined: this.#isUndetermined(conditions) };
    this.#known.set(conditions.text, found);
    return found;
  }

  /** What callers can do something about comes last: nobody signs in again to be told that they are at the wrong place. */
  #firstFailed({ ipRanges, maxMfaAgeMs, timeWindows, notBefore, notAfter }: Conditions): ConditionName | null {
    const { mfaVerifiedAt, nowMs } = this.circumstances;
    if (ipRanges !== null && !this.#isIn(ipRanges)) return 'ip_ranges';
    if (notBefore !== null && nowMs < notBefore) return 'not_before';
    if (notAfter !== null && nowMs > notAfter) return 'not_after';
    if (timeWindows !== null && !timeWindows.some((window) => window.isOpen(nowMs))) return 'time_windows';
    if (maxMfaAgeMs === null) return null;
    if (mfaVerifiedAt === null) return 'require_mfa';
    return nowMs - mfaVerifiedAt > maxMfaAgeMs ? 'max_mfa_age' : null;
  }

  #isUndetermined({ ipRanges, timeWindows }: Conditions): boolean {
    const zoneUnknown = timeWindows?.some((window) => window.unknownZone !== null) ?? false;
    return zoneUnknown || (ipRanges !== null && this.circumstances.sourceIp === null);
  }

  #isIn(ranges: IpRanges): boolean {
    const { sourceIp } = this.circumstances;
    if (sourceIp === null) return false;
    this.#address ??= addressNumber(sourceIp);
    return ranges.includes(this.#address);
  }
}
