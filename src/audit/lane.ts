import { setTimeout as sleep } from 'node:timers/promises';
import { CommitUnknown, DatabaseUnavailable } from '../postgres/database.ts';
import { CHAIN_START, type ChainedEntry, link } from './chain.ts';
import type { AuditEntry } from './entry.ts';

const LOOK_UP_PAUSE_MS = 250;

const NEW_CHAIN = { seq: 0, hash: CHAIN_START };

/** Tells, on another connection and once the transaction in doubt does not run any more, whether a row was stored. */
export type LookUp = (row: ChainedEntry) => Promise<boolean>;

/**
 * A line of callers who add audit entries to a chain, with at most one commit in flight (spec 06). Only a commit that is
 * known to have succeeded moves the head: a failed one gives its numbers back, since nobody has built on them, and one
 * whose outcome is unknown stops the lane until its row has been looked up. So a chain has no gaps, and a kill at any
 * point leaves it valid.
 *
 * A row that was not found may still be on its way: what was sent before the connection broke can lie in a proxy, or
 * with a server that hangs. The lane therefore leaves its chain as it is and begins another; should the row arrive
 * after all, the old chain is longer by it, and no number was given twice.
 */
export class Lane {
  readonly #name: string;
  readonly #lookUp: LookUp;
  #chains = 1;
  #head: { readonly seq: number; readonly hash: Buffer } = NEW_CHAIN;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** @param name unique among all lanes of all processes: the id of its first chain */
  constructor(name: string, lookUp: LookUp) {
    this.#name = name;
    this.#lookUp = lookUp;
  }

  get #chainId(): string {
    return this.#chains === 1 ? this.#name : `${this.#name}.${this.#chains}`;
  }

  /** Callers in line, the one at the head included. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits for its turn, links the entries behind the head and lets `store` commit them.
   * @param entries called at the head of the line, so that what it says is the latest
   * @throws what `store` throws, when nothing was stored
   */
  append(entries: () => readonly AuditEntry[], store: (rows: readonly ChainedEntry[]) => Promise<void>): Promise<void> {
    this.#waiting++;
    const appended = this.#turn.then(() => this.#appendAtHead(entries(), store));
    // The next in line starts whatever becomes of this one.
    this.#turn = appended.then(
      () => this.#leave(),
      () => this.#leave(),
    );
    return appended;
  }

  #leave(): void {
    this.#waiting--;
  }

  async #appendAtHead(
    entries: readonly AuditEntry[],
    store: (rows: readonly ChainedEntry[]) => Promise<void>,
  ): Promise<void> {
    const rows = link(entries, this.#chainId, this.#head);
    const last = rows.at(-1);
    if (last === undefined) return;
    try {
      await store(rows);
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      if (!(await this.#wasStored(last))) {
        this.#chains++;
        this.#head = NEW_CHAIN;
        throw new DatabaseUnavailable('the connection was lost before the commit', { cause: error });
      }
    }
    this.#head = { seq: last.seq, hash: last.hash };
  }

  async #wasStored(row: ChainedEntry): Promise<boolean> {
    for (;;) {
      try {
        return await this.#lookUp(row);
      } catch {
        // Whatever hinders it: without an answer nothing may go on here. It does not keep a process from ending.
        await sleep(LOOK_UP_PAUSE_MS, undefined, { ref: false });
      }
    }
  }
}
