import type { SecretPath } from '../contract/names.ts';

/** A hint for people and tools; the value is a JSON object whatever the type. */
export const SECRET_TYPES = ['kv', 'json', 'certificate', 'ssh_key', 'api_key'] as const;
export type SecretType = (typeof SECRET_TYPES)[number];

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
}
