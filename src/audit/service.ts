import type { Action, AuditDraft, AuditFacts, AuditPart, AuditResult } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import { type PartnerId, SYSTEM_TENANT, type TenantId } from '../contract/names.ts';
import type { Committed } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { within } from '../lib/time-limit.ts';
import {
  CommitUnknown,
  ConstraintViolation,
  type Database,
  DatabaseUnavailable,
  type Transaction,
  UnstorableText,
} from '../postgres/database.ts';
import { isSerializationFailure } from '../postgres/failures.ts';
import type { ChainedEntry } from './chain.ts';
import { type Companion, Companions } from './companion.ts';
import { finishEntry } from './entry.ts';
import { GroupCommit } from './group-commit.ts';
import { Lane } from './lane.ts';
import { ensurePartitions, entryExists, insertEntries } from './repository.ts';

export type { Companion } from './companion.ts';

/** Where every module leaves its trace. No value leaves and no change stays without its row (spec 00). */
export interface AuditService {
  /** Stores the entry of a read or a denial. Resolves when it is durable. @throws ApiError `service_unavailable`, {@link OutcomeUnknown} */
  record(draft: AuditDraft, result: AuditResult): Promise<void>;
  /** Several entries of one request, each under an id of its own, in one statement. @throws as {@link record} */
  recordParts(draft: AuditDraft, parts: readonly AuditPart[]): Promise<void>;
  /**
   * Does a change and stores its entry in the same transaction: begins, lets `work` work, takes a lane, inserts the
   * entry, commits. Inside `work` use only `tx`, and expect to be run again after a deadlock. When `work` throws,
   * nothing stays.
   * @throws ApiError `service_unavailable`, {@link OutcomeUnknown}, ConstraintViolation, and what `work` throws
   */
  commit<T>(
    draft: AuditDraft,
    work: (tx: Transaction) => Promise<{ readonly value: T; readonly facts?: AuditFacts }>,
  ): Promise<Committed<T>>;
  /**
   * Lets `run` run: the change that it commits under the draft of this id takes the companion into its transaction, also
   * when it is tried again.
   * @throws what `run` throws, which may be what the companion threw
   */
  accompany<T>(draftId: string, companion: Companion, run: () => Promise<T>): Promise<T>;
  /** Makes partitions ahead, so that no entry falls into the default one. */
  ensurePartitions(): Promise<void>;
  /** Stores what is still waiting. */
  flush(): Promise<void>;
}

/** Gets what is worth measuring about reads and denials. */
export interface AuditMeter {
  /** Entries that were stored together. */
  stored(entries: number): void;
  /** Seconds that one caller waited for its entries. */
  waited(seconds: number): void;
}

export interface AuditSettings {
  readonly db: Database;
  readonly clock: Clock;
  /** Host name and start ULID of this process. */
  readonly instanceId: string;
  readonly writeLanes: number;
  readonly meter?: AuditMeter;
}

interface NewEntry {
  readonly draft: AuditDraft;
  readonly result: AuditResult;
}

/** What one caller waits for, and since when. */
interface Waiting {
  readonly entries: readonly NewEntry[];
  readonly since: number;
}

const MAX_BATCH = 500;
const PARTITIONS_AHEAD = 12;
/** A lane whose last commit is in doubt may stand still for longer than a client should wait. */
const OUTCOME_WAIT_MS = 15_000;

const OUTCOME_UNKNOWN =
  'The database went away while the change was being stored. Look whether it happened before you try again.';

/** Whether the entry was stored, and the change with it, is not known. No second entry may be made under its id. */
export class OutcomeUnknown extends ApiError {
  constructor(retryAfter: number, cause?: unknown) {
    super('service_unavailable', { retryAfter, message: OUTCOME_UNKNOWN, cause });
  }
}

function toApiError(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable) {
    return new ApiError('service_unavailable', { retryAfter: 1, operator: error.message, cause: error });
  }
  return error instanceof CommitUnknown ? new OutcomeUnknown(1, error) : error;
}

/** An entry that cannot be stored, or not even be written down, hinders no other one. */
function isAboutContent(error: unknown): boolean {
  return [ConstraintViolation, UnstorableText, TypeError, RangeError].some((kind) => error instanceof kind);
}

/** A failed INSERT of entries: whatever the server's reason, without the row there is no answer (spec 00). */
function unstored(error: unknown): unknown {
  // These say already what is to be done: a deadlock is tried again, and what a text may not hold the caller can mend.
  const known = [ApiError, DatabaseUnavailable, CommitUnknown, UnstorableText];
  if (known.some((kind) => error instanceof kind) || isSerializationFailure(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const operator = `the audit entry could not be stored: ${reason}`;
  return new ApiError('service_unavailable', { retryAfter: 5, operator, cause: error });
}

/** How long a client waits to learn what became of its entry. */
function outcome<T>(work: Promise<T>): Promise<T> {
  const late = (): never => {
    throw new OutcomeUnknown(5);
  };
  return within(OUTCOME_WAIT_MS, work, late).catch((error: unknown) => {
    throw toApiError(error);
  });
}

/** The audit log of one process: one lane for reads and denials, a few for changes. */
export function createAuditService({ db, clock, instanceId, writeLanes, meter }: AuditSettings): AuditService {
  const lookUp = (row: ChainedEntry) => entryExists(db, row);
  const readLane = new Lane(`${instanceId}/r`, lookUp);
  const lanes = Array.from({ length: writeLanes }, (_, index) => new Lane(`${instanceId}/w${index}`, lookUp));
  const shortestLane = () => lanes.reduce((best, lane) => (lane.waiting < best.waiting ? lane : best));

  const reads = new GroupCommit<Waiting>(storeReads, {
    maxBatch: MAX_BATCH,
    weightOf: ({ entries }) => entries.length,
    concernsOne: isAboutContent,
  });
  const companions = new Companions();

  async function storeReads(items: readonly Waiting[]): Promise<void> {
    const entries = items.flatMap((item) => item.entries);
    await readLane.append(
      () => {
        const now = clock.nowMicros();
        return entries.map(({ draft, result }) => finishEntry(draft, result, instanceId, now));
      },
      (rows) => insertEntries(db, rows),
    );
    if (meter === undefined) return;
    const now = performance.now();
    meter.stored(entries.length);
    for (const { since } of items) meter.waited((now - since) / 1000);
  }

  function record(entries: readonly NewEntry[]): Promise<void> {
    return outcome(
      reads.add({ entries, since: performance.now() }).catch((error: unknown) => {
        throw unstored(error);
      }),
    );
  }

  async function commit<T>(
    draft: AuditDraft,
    work: (tx: Transaction) => Promise<{ readonly value: T; readonly facts?: AuditFacts }>,
  ): Promise<Committed<T>> {
    const companion = companions.join(draft.id);
    const committed = db.transaction(async (tx) => {
      if (companion !== undefined) await companion.begin(tx);
      const { value, facts } = await work(tx);
      if (companion !== undefined) await companion.end(tx, value);
      const lane = shortestLane();
      await lane.append(
        () => [
          finishEntry(
            draft,
            { success: true, ...(facts === undefined ? {} : { facts }) },
            instanceId,
            clock.nowMicros(),
          ),
        ],
        async (rows) => {
          // Back to back: one round trip for both.
          const inserted = insertEntries(tx, rows).catch((error: unknown) => {
            throw unstored(error);
          });
          inserted.catch(() => {});
          await tx.commit().catch(async (error: unknown) => {
            // What the insert says is why the commit failed. A lost connection says nothing of the kind: both were
            // sent, and the answer of either may be the one that is missing.
            if (!(error instanceof CommitUnknown)) await inserted;
            throw error;
          });
          await inserted;
        },
      );
      // The only place that makes one: its row is committed.
      return { value } as Committed<T>;
    });
    return outcome(committed);
  }

  return {
    record: (draft, result) => record([{ draft, result }]),
    recordParts: (draft, parts) =>
      record(
        parts.map(({ id = newId('log'), result, decision = draft.decision }) => ({
          draft: { ...draft, id, decision },
          result,
        })),
      ),
    commit,
    accompany: (draftId, companion, run) => companions.during(draftId, companion, run),
    ensurePartitions: () => ensurePartitions(db, PARTITIONS_AHEAD),
    flush: () => reads.flush(),
  };
}

/** The draft of an entry that no request caused: start-up, tenants made by configuration, sampled 401s. */
export function systemDraft(
  clock: Clock,
  entry: {
    readonly action: Action;
    readonly tenantId?: TenantId;
    readonly partnerId?: PartnerId;
    readonly resource?: string;
    readonly identityType?: AuditDraft['identityType'];
    readonly identityId?: string;
    readonly extra?: Readonly<Record<string, unknown>>;
  },
): AuditDraft {
  return {
    id: newId('log'),
    tenantId: entry.tenantId ?? SYSTEM_TENANT,
    partnerId: entry.partnerId ?? null,
    action: entry.action,
    secretPath: null,
    resource: entry.resource ?? null,
    identityType: entry.identityType ?? 'system',
    identityId: entry.identityId ?? null,
    onBehalfOf: null,
    sourceIp: null,
    userAgent: null,
    requestId: null,
    startedMicros: clock.nowMicros(),
    decision: null,
    extra: entry.extra ?? {},
  };
}
