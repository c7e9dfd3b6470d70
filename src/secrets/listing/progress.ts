import type { SecretPath } from '../../contract/names.ts';
import { after, beyond, folderOf } from './index-order.ts';
import type { Batch, FoundRow } from './repository.ts';
import type { Segment } from './segments.ts';
import type { Entry, ListRequest } from './types.ts';

/** Stretches of the index looked through at first; each next time so many times more, up to a most. */
const STRETCHES = 16;
const MORE_STRETCHES = 8;
const MAX_STRETCHES = 1_024;
/** Paths read at a time to be judged one by one. */
const PATHS_TO_JUDGE = 5_000;

/**
 * A page in the making: what stands on it, and what of the index is still to be looked through. A stretch whose rules
 * the query can say is shown as it is found. Of any other one the paths are read and judged first, and it becomes as
 * many stretches of a single path as are to be shown.
 */
export class Progress {
  readonly #request: ListRequest;
  readonly #mayList: (path: SecretPath) => boolean;
  readonly entries: Entry[] = [];
  #segments: readonly Segment[];
  #place: string;
  #stretches = STRETCHES;
  #more = false;

  constructor(request: ListRequest, segments: readonly Segment[], mayList: (path: SecretPath) => boolean) {
    this.#request = request;
    this.#segments = segments;
    this.#place = request.from;
    this.#mayList = mayList;
  }

  get isComplete(): boolean {
    return this.#more || this.#segments.length === 0;
  }

  /** Place in the index where the next page begins; null: there is none. */
  get next(): string | null {
    const last = this.entries.at(-1);
    if (!this.#more || last === undefined) return null;
    // Behind the last line, no further: what lies behind it may be what the caller is not to know of.
    return last.type === 'folder' ? beyond(last.prefix) : after(last.secret.path);
  }

  /** Empty where there is nothing to reach: the epochs are to be confirmed all the same. */
  nextBatch(): Batch {
    const leading = this.#segments.slice(0, this.#stretches);
    const exact = leading.findIndex((segment) => !segment.exact);
    // One more than asked for tells whether there are more.
    const missing = this.#request.limit + 1 - this.entries.length;
    if (exact === 0) return { segments: leading, rows: PATHS_TO_JUDGE, view: 'paths' };
    const segments = exact < 0 ? leading : leading.slice(0, exact);
    return { segments, rows: missing, view: this.#request.folders ? 'folders' : 'secrets' };
  }

  /** Takes the rows of a batch: each is judged once more, so that a query that says too much shows nobody more. */
  show(batch: Batch, rows: readonly FoundRow[]): void {
    for (const row of rows) {
      if (!this.#mayList(row.path)) {
        this.#place = after(row.path);
        if (batch.view === 'secrets') continue;
        // Its folder may hold another one that is to be shown.
        this.#segments = this.#segments.map((segment) => ({ ...segment, exact: false }));
        this.#goOn();
        return;
      }
      if (this.entries.length === this.#request.limit) {
        this.#more = true;
        return;
      }
      this.#append(row);
    }
    if (rows.length < batch.rows) this.#seen(batch);
    this.#goOn();
  }

  /** Takes the paths of a batch: what it looked through becomes those that are to be shown. */
  judge(batch: Batch, paths: readonly SecretPath[]): void {
    const missing = this.#request.limit + 1 - this.entries.length;
    const shown: SecretPath[] = [];
    for (const path of paths) {
      // In a folder that one is shown of already.
      if (path < this.#place) continue;
      const folder = this.#folderOf(path);
      const may = this.#mayList(path);
      this.#place = may && folder !== null ? beyond(folder) : after(path);
      if (may) shown.push(path);
      if (shown.length === missing) break;
    }
    if (paths.length < batch.rows && shown.length < missing) this.#seen(batch);
    this.#goOn();
    const [first] = shown;
    if (first === undefined) return;
    const single = (path: SecretPath) => ({ from: path, to: after(path), allow: '', deny: '', exact: true });
    this.#segments = [...shown.map(single), ...this.#segments];
    this.#place = first;
  }

  /** Nothing is left in these stretches. */
  #seen({ segments }: Batch): void {
    const end = segments.at(-1)?.to ?? this.#place;
    // Already further, where the end lies in a folder that is shown.
    if (end > this.#place) this.#place = end;
    this.#stretches = Math.min(this.#stretches * MORE_STRETCHES, MAX_STRETCHES);
  }

  /** Leaves behind what lies before the place. */
  #goOn(): void {
    const place = this.#place;
    const left = this.#segments.filter(({ to }) => to > place);
    this.#segments = left.map((segment) => (segment.from < place ? { ...segment, from: place } : segment));
  }

  #append({ path, secret }: FoundRow): void {
    const folder = this.#folderOf(path);
    if (folder !== null) {
      this.entries.push({ type: 'folder', prefix: folder });
      this.#place = beyond(folder);
      return;
    }
    if (secret === null) throw new Error('a row without its secret stands for no folder');
    this.entries.push({ type: 'secret', secret });
    this.#place = after(path);
  }

  #folderOf(path: SecretPath): string | null {
    return this.#request.folders ? folderOf(path, this.#request.prefix) : null;
  }
}
