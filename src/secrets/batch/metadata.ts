import type { AuditPart } from '../../contract/audit.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Database } from '../../postgres/database.ts';
import { requireRecorded } from '../state/require.ts';
import type { SecretState } from '../types.ts';
import { type BatchAsking, eachPath, type Outcome, partOf } from './outcome.ts';
import { lookAtMany } from './repository.ts';
import { expand, type Wildcard } from './wildcards.ts';

/** Secrets that the wildcards of one batch stand for, all together. */
export const MAX_EXPANDED = 1_000;

export interface BatchMetadataParts {
  readonly db: Database;
  readonly retentionMs: number;
}

export interface BatchMetadata {
  /** Of the paths that were named, and of those that wildcards stand for and that are there. */
  readonly outcomes: readonly Outcome<SecretState>[];
  /** Whether wildcards stand for more than is shown. */
  readonly truncated: boolean;
  /** One a path that was named, one a wildcard as one a list. */
  readonly parts: readonly AuditPart[];
}

export type ReadBatchMetadata = (
  asking: BatchAsking,
  paths: readonly SecretPath[],
  wildcards: readonly Wildcard[],
) => Promise<BatchMetadata>;

function wildcardPart(wildcard: Wildcard, secrets: number): AuditPart {
  return { result: { success: true, facts: { secretPath: wildcard.text, extra: { secrets } } } };
}

export function createBatchMetadata({ db, retentionMs }: BatchMetadataParts): ReadBatchMetadata {
  return async (asking, paths, wildcards) => {
    const found = new Set<SecretPath>();
    const parts: AuditPart[] = [];
    let truncated = false;
    for (const wildcard of wildcards) {
      const expanded = await expand(db, asking, wildcard, MAX_EXPANDED - found.size);
      for (const path of expanded.paths) found.add(path);
      truncated ||= expanded.truncated;
      parts.push(wildcardPart(wildcard, expanded.paths.length));
    }
    const named = new Set(paths);
    const outcomes = await eachPath(asking, 'list', [...new Set([...paths, ...found])], async (allowed) => {
      const { epochs, secrets } = await lookAtMany(db, asking.tenant.tenantId, allowed, retentionMs);
      return { epochs, at: (path) => requireRecorded(secrets.get(path) ?? null) };
    });
    for (const outcome of outcomes) {
      const { path, result } = outcome;
      if (named.has(path)) parts.push(partOf(outcome, result.ok ? result.value.currentVersion : null));
    }
    // What a wildcard stood for and is not there any more was not asked for by name.
    return { outcomes: outcomes.filter(({ path, result }) => result.ok || named.has(path)), truncated, parts };
  };
}
