import type { SecretState, SecretType } from '../types.ts';

/** A secret as a list shows it. */
export type ListedSecret = Omit<SecretState, 'id' | 'versionCount' | 'keptCount' | 'maxVersions' | 'expired'>;

/** One line of a page: a secret, or a folder that holds at least one which the page would show. */
export type Entry =
  | { readonly type: 'secret'; readonly secret: ListedSecret }
  | { readonly type: 'folder'; readonly prefix: string };

/** What a secret must be like to be listed. Null: no matter. */
export interface ListFilter {
  /** Deleted ones only, of at most so long ago; null: none that are. */
  readonly deletedWithinMs: number | null;
  readonly secretType: SecretType | null;
  readonly owner: string | null;
  readonly tag: string | null;
  /** To expire within so long, or expired. */
  readonly expiringWithinMs: number | null;
  /** Regular expression that the path, the description or a tag matches. */
  readonly search: string | null;
}

export interface ListRequest {
  readonly prefix: string;
  /** Whether paths that go on behind the next `/` are shown as their folder only. */
  readonly folders: boolean;
  readonly filter: ListFilter;
  readonly limit: number;
  /** Place in the index where the page begins. */
  readonly from: string;
}
