import type { SecretPath } from '../contract/names.ts';

/** A hint for people and tools; the value is a JSON object whatever the type. */
export const SECRET_TYPES = ['kv', 'json', 'certificate', 'ssh_key', 'api_key'] as const;
export type SecretType = (typeof SECRET_TYPES)[number];

export type SecretData = Readonly<Record<string, unknown>>;

/** Not secret, searchable. */
export interface Metadata {
  readonly description: string;
  readonly tags: readonly string[];
  readonly owner: string;
  readonly custom: Readonly<Record<string, unknown>>;
}

/** What is known of a secret at one of its versions, without the value. */
export interface SecretVersion {
  readonly path: SecretPath;
  readonly secretType: SecretType;
  readonly version: number;
  readonly metadata: Metadata;
  readonly createdAt: Date;
  /** When this version was written. */
  readonly updatedAt: Date;
  /** Of the whole secret: its values are readable until then. */
  readonly expiresAt: Date | null;
  readonly lastAccessedAt: Date | null;
}

/** A secret apart from its versions' values, deleted or not. */
export interface SecretState {
  /** `sec_...`, which ciphertexts are bound to; never shown. */
  readonly id: string;
  readonly path: SecretPath;
  readonly secretType: SecretType;
  readonly metadata: Metadata;
  readonly currentVersion: number;
  /** Versions that `max_versions` has kept. */
  readonly versionCount: number;
  /** Versions that still have a value, readable or not. */
  readonly keptCount: number;
  /** 0: all of them. */
  readonly maxVersions: number;
  readonly createdAt: Date;
  /** The last change of anything. */
  readonly updatedAt: Date;
  readonly lastAccessedAt: Date | null;
  readonly expiresAt: Date | null;
  /** By the database's clock. */
  readonly expired: boolean;
  readonly deletedAt: Date | null;
  /** Until when a deletion can be undone. */
  readonly recoverableUntil: Date | null;
}

export const VERSION_STATES = ['current', 'superseded', 'expired', 'deleted', 'destroyed'] as const;
export type VersionState = (typeof VERSION_STATES)[number];

/** One version's place in a secret's history. */
export interface VersionRecord {
  readonly version: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** The version that it is a copy of. */
  readonly createdFrom: number | null;
  readonly state: VersionState;
  readonly readable: boolean;
  /** Null: as long as nothing is changed. */
  readonly readableUntil: Date | null;
}

/** When a secret stops to be readable, as a writer said it. */
export type Expiry =
  | { readonly type: 'keep' }
  | { readonly type: 'never' }
  | { readonly type: 'at'; readonly at: Date }
  /** Milliseconds from now, by the database's clock. */
  | { readonly type: 'in'; readonly ms: number };

/** What a writer may change beside the value; what is left out keeps its former value. */
export interface Changes {
  readonly metadata: Partial<Metadata>;
  readonly maxVersions: number | null;
  /** Kept, one that has passed does not count for a new version. */
  readonly expiry: Expiry;
}

/** What steers the life of secrets. */
export interface SecretSettings {
  /** How long what was deleted or superseded can be brought back. */
  readonly retentionMs: number;
  /** How long backups are kept; null: not known. */
  readonly backupRetentionMs: number | null;
  /** Destroying needs `admin` on the path, or the role tenant_admin. */
  readonly destroyProtection: boolean;
  /** The largest value, in bytes of its JSON. */
  readonly maxValueBytes: number;
}
