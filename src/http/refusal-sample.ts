/**
 * Decides which refusals leave an audit entry, where there could be any number of them: nobody must be able to fill the
 * log (spec 00, "401s"; spec 12, "Rate limits"). The first ones of each minute do, and each says how many before it did
 * not.
 */
export class RefusalSample {
  readonly #perMinute: number;
  #minute = -1;
  #kept = 0;
  #suppressed = 0;

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** @returns how many went unrecorded since the last kept one, or null when this one is not to be kept either */
  take(nowMs: number): number | null {
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#kept = 0;
    }
    if (this.#kept >= this.#perMinute) {
      this.#suppressed++;
      return null;
    }
    this.#kept++;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
