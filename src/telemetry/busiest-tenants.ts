/** What all tenants together are called that have no name of their own. Ids of tenants cannot be this. */
export const OTHER_TENANTS = 'other';

const OTHERS_WATCHED = 10_000;
const REVIEW_EVERY_MS = 60_000;
/** A tenant takes the place of another only when it is clearly busier, or two of a kind would swap for ever. */
const CLEARLY = 2;

/**
 * Which tenants have a label value of their own: at most `max`, the busiest of late; the others share one. So the number
 * of series stays bounded however many tenants there are.
 *
 * Every series only grows: what is counted for `other` stays there when a tenant gets its own name, whose series begins
 * at nothing, and a tenant that loses its name loses its series.
 */
export class BusiestTenants {
  readonly #max: number;
  readonly #onDropped: (tenantId: string) => void;
  readonly #nowMs: () => number;
  /** What each did since it was last looked at, older doings counting half. */
  readonly #named = new Map<string, { recent: number }>();
  readonly #others = new Map<string, { recent: number }>();
  #reviewedAt: number;

  constructor(max: number, onDropped: (tenantId: string) => void, nowMs: () => number = () => performance.now()) {
    this.#max = max;
    this.#onDropped = onDropped;
    this.#nowMs = nowMs;
    this.#reviewedAt = nowMs();
  }

  /** The label value under which to count one doing of a tenant. */
  nameFor(tenantId: string): string {
    const named = this.#named.get(tenantId);
    if (named !== undefined) {
      named.recent++;
      return tenantId;
    }
    if (this.#named.size < this.#max) {
      this.#named.set(tenantId, { recent: 1 });
      return tenantId;
    }
    this.#noteOther(tenantId);
    return OTHER_TENANTS;
  }

  /** Gives names to those who have become busier than some that have one; at most once a minute. */
  review(): void {
    const now = this.#nowMs();
    if (now - this.#reviewedAt < REVIEW_EVERY_MS) return;
    this.#reviewedAt = now;
    const rising = [...this.#others].sort(([, a], [, b]) => b.recent - a.recent).slice(0, this.#max);
    const falling = [...this.#named].sort(([, a], [, b]) => a.recent - b.recent);
    for (const [at, [tenantId, doings]] of rising.entries()) {
      const last = falling[at];
      if (last === undefined || doings.recent <= CLEARLY * last[1].recent) break;
      this.#named.delete(last[0]);
      this.#onDropped(last[0]);
      this.#others.delete(tenantId);
      this.#named.set(tenantId, doings);
    }
    for (const doings of this.#named.values()) doings.recent /= 2;
    for (const doings of this.#others.values()) doings.recent /= 2;
  }

  #noteOther(tenantId: string): void {
    const other = this.#others.get(tenantId);
    if (other !== undefined) other.recent++;
    else {
      // The truly busy are back at once.
      if (this.#others.size >= OTHERS_WATCHED) this.#others.clear();
      this.#others.set(tenantId, { recent: 1 });
    }
  }
}
