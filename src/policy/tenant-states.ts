import { LRUCache } from 'lru-cache';
import { ApiError } from '../contract/errors.ts';
import type { TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import { loadPolicies, readEpochs } from './repository.ts';
import { makeState, reaches, sameEpochs, type TenantState } from './tenant-state.ts';

/** What is kept of a tenant. */
interface Entry {
  readonly state: TenantState;
  /** When the read that confirmed it was sent; milliseconds since the epoch. */
  readonly confirmedAt: number;
}

/** A read under way, which later callers join. */
interface Reading {
  readonly sentAt: number;
  readonly state: Promise<TenantState>;
}

/** So long a state is used without asking the database. Every replica follows a change within it (spec 04). */
export const CONFIRMED_FOR_MS = 1_000;
const MAX_TENANTS = 1_000;
const MAX_SIZE = 200_000;

/**
 * The tenants' policies in memory: loaded once an epoch, confirmed by one primary-key read a second, and never used
 * unconfirmed. When the database cannot confirm, nobody is judged.
 */
export class TenantStates {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #entries = new LRUCache<TenantId, Entry>({
    max: MAX_TENANTS,
    maxSize: MAX_SIZE,
    sizeCalculation: (entry) => entry.state.size,
  });
  readonly #readings = new Map<TenantId, Reading>();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** The state of a tenant, confirmed at most a second before this call. @throws ApiError `tenant_access_denied` */
  async get(tenantId: TenantId): Promise<TenantState> {
    const now = this.#clock.nowMs();
    const known = this.#entries.get(tenantId);
    if (known !== undefined && isFresh(known.confirmedAt, now)) return known.state;
    const reading = this.#readings.get(tenantId);
    return reading !== undefined && isFresh(reading.sentAt, now) ? reading.state : this.#read(tenantId, now).state;
  }

  /**
   * A state that is not older than epochs which the caller has seen in the database. After a change many callers need
   * one at once: the first reads, the others join it and look whether what came is new enough for them.
   */
  async since(tenantId: TenantId, epochs: Epochs): Promise<TenantState> {
    const known = this.#entries.get(tenantId)?.state;
    if (known !== undefined && reaches(known.epochs, epochs)) return known;
    for (;;) {
      const joined = this.#readings.get(tenantId);
      const state = await (joined ?? this.#read(tenantId, this.#clock.nowMs())).state;
      // One that was sent from here was sent after the caller saw the epochs.
      if (joined === undefined || reaches(state.epochs, epochs)) return state;
    }
  }

  /** The next caller asks the database: something was changed here. */
  forget(tenantId: TenantId): void {
    this.#readings.delete(tenantId);
    const known = this.#entries.get(tenantId);
    if (known !== undefined) this.#entries.set(tenantId, { ...known, confirmedAt: Number.NEGATIVE_INFINITY });
  }

  #read(tenantId: TenantId, now: number): Reading {
    const reading: Reading = { sentAt: now, state: this.#confirmOrLoad(tenantId) };
    this.#readings.set(tenantId, reading);
    const end = (state: TenantState | null) => {
      // A reading that was forgotten or overtaken by a later one may have seen an older state.
      if (this.#readings.get(tenantId) !== reading) return;
      this.#readings.delete(tenantId);
      if (state !== null) this.#entries.set(tenantId, { state, confirmedAt: now });
    };
    reading.state.then(end, () => end(null));
    return reading;
  }

  async #confirmOrLoad(tenantId: TenantId): Promise<TenantState> {
    const known = this.#entries.get(tenantId)?.state ?? null;
    return (known === null ? null : await this.#confirmed(known)) ?? (await this.#load(tenantId, known));
  }

  /** The state under the epochs of now, or null when the policies have changed. */
  async #confirmed(known: TenantState): Promise<TenantState | null> {
    const epochs = await readEpochs(this.#db, known.tenantId);
    if (epochs?.policy !== known.epochs.policy) return null;
    return sameEpochs(epochs, known.epochs) ? known : { ...known, epochs };
  }

  async #load(tenantId: TenantId, before: TenantState | null): Promise<TenantState> {
    const loaded = await loadPolicies(this.#db, tenantId);
    if (loaded === null) throw new ApiError('tenant_access_denied', { operator: `tenant ${tenantId} has no row` });
    return makeState(tenantId, loaded, before);
  }
}

/** A clock that was set back makes nothing fresh. */
function isFresh(at: number, now: number): boolean {
  return at <= now && now - at < CONFIRMED_FOR_MS;
}
