import type { TenantId } from '../contract/names.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from '../postgres/database.ts';
import { storeAccessTimes } from './access-times/repository.ts';

/** Between two flushes; a part of the minute to which the times are accurate. */
export const ACCESS_TIMES_EVERY_MS = 30_000;

const MINUTE_MS = 60_000;
/** A row's lock is held until its statement ends: few rows a statement, so that no writer waits for long. */
const ROWS_A_STATEMENT = 500;
/** About 20 MB; half of it is stored at once. */
const MAX_NOTES = 200_000;

/** When secrets were last read: noted in memory, stored in the background, lost at most with the process. */
export interface AccessTimes {
  /** A value of the secret is being given to somebody. Not for what is refused or fails. */
  note(tenantId: TenantId, secretId: string): void;
  /** Stores what was noted. @throws DatabaseUnavailable, CommitUnknown; nothing is forgotten then */
  flush(): Promise<void>;
}

/** The minute of the last read by secret, by tenant. */
type Notes = Map<TenantId, Map<string, number>>;

export function createAccessTimes(parts: {
  readonly db: Database;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly maxNotes?: number;
}): AccessTimes {
  const { db, clock, maxNotes = MAX_NOTES } = parts;
  let notes: Notes = new Map();
  let size = 0;
  let flushing: Promise<void> | null = null;

  function put(tenantId: TenantId, secretId: string, minute: number): void {
    const known = notes.get(tenantId) ?? new Map<string, number>();
    const last = known.get(secretId);
    if (last === undefined) {
      if (size >= maxNotes) return;
      size++;
    }
    if (last === undefined || last < minute) known.set(secretId, minute);
    notes.set(tenantId, known);
  }

  async function store(taken: Notes): Promise<void> {
    for (const [tenantId, secrets] of taken) {
      for (const { minute, ids } of chunks(secrets)) {
        const locked = await storeAccessTimes(db, tenantId, ids, new Date(minute));
        for (const id of ids) secrets.delete(id);
        for (const id of locked) put(tenantId, id, minute);
      }
    }
  }

  async function flushOnce(): Promise<void> {
    const taken = notes;
    notes = new Map();
    size = 0;
    try {
      await store(taken);
    } catch (error) {
      for (const [tenantId, secrets] of taken) for (const [id, minute] of secrets) put(tenantId, id, minute);
      throw error;
    }
  }

  function flush(): Promise<void> {
    flushing ??= flushOnce().finally(() => {
      flushing = null;
    });
    return flushing;
  }

  return {
    note(tenantId, secretId) {
      put(tenantId, secretId, Math.floor(clock.nowMs() / MINUTE_MS) * MINUTE_MS);
      // A failure is logged where the flush is due anyway.
      if (size >= maxNotes / 2 && flushing === null) void flush().catch(() => {});
    },
    flush,
  };
}

/** The secrets of each minute, some at a time. */
function chunks(secrets: ReadonlyMap<string, number>): readonly { minute: number; ids: readonly string[] }[] {
  const byMinute = Map.groupBy(secrets, ([, minute]) => minute);
  return [...byMinute].flatMap(([minute, entries]) => {
    const ids = entries.map(([id]) => id);
    const starts = Array.from({ length: Math.ceil(ids.length / ROWS_A_STATEMENT) }, (_, n) => n * ROWS_A_STATEMENT);
    return starts.map((start) => ({ minute, ids: ids.slice(start, start + ROWS_A_STATEMENT) }));
  });
}
