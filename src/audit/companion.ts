import type { Transaction } from '../postgres/database.ts';

/** What goes with a change in its own transaction, whatever the change is. */
export interface Companion {
  /** Before the work. What it throws undoes everything. */
  begin(tx: Transaction): Promise<void>;
  /** After the work. @param value what the work has returned */
  end(tx: Transaction, value: unknown): Promise<void>;
}

/** Who goes with whose change, by the id of the change's draft. */
export class Companions {
  readonly #waiting = new Map<string, { readonly companion: Companion; joined: boolean }>();

  /** The companion of a change that is about to be done. */
  join(draftId: string): Companion | undefined {
    const waiting = this.#waiting.get(draftId);
    if (waiting !== undefined) waiting.joined = true;
    return waiting?.companion;
  }

  /** @throws Error when `run` has committed nothing under this draft, a defect; and what `run` throws */
  async during<T>(draftId: string, companion: Companion, run: () => Promise<T>): Promise<T> {
    const waiting = { companion, joined: false };
    this.#waiting.set(draftId, waiting);
    try {
      const result = await run();
      if (!waiting.joined) throw new Error('a change was committed under another draft than its companion waited for');
      return result;
    } finally {
      this.#waiting.delete(draftId);
    }
  }
}
