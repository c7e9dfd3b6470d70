import type { AuditService } from '../../audit/service.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Database } from '../../postgres/database.ts';
import { pushOut } from '../append/repository.ts';
import type { Asking, ChangeAsking } from '../asking.ts';
import { requireDelete } from '../rights.ts';
import type { Changes, SecretState } from '../types.ts';
import { changeOfSecret } from './change.ts';
import { changeSecretRow, lookAt } from './repository.ts';
import { requireRecorded, requireVersion, requireWritable } from './require.ts';

export interface MetadataParts {
  readonly db: Database;
  readonly audit: Pick<AuditService, 'commit'>;
  readonly retentionMs: number;
}

export function createMetadata({ db, audit, retentionMs }: MetadataParts) {
  const change = changeOfSecret(audit, retentionMs);
  return {
    /** Also of a deleted secret, so that somebody can tell whether to bring it back. */
    async read(asking: Asking, path: SecretPath): Promise<SecretState> {
      const { epochs, secret } = await lookAt(db, asking.tenant.tenantId, path, retentionMs);
      await asking.standing.confirm(epochs);
      return requireRecorded(secret);
    },

    /** Changes metadata and options, and makes no version. */
    patch: (asking: ChangeAsking, path: SecretPath, changes: Changes, expected: number | null) =>
      change(asking, path, async (tx, found) => {
        const { tenantId } = asking.tenant;
        const { id, currentVersion, ...before } = requireWritable(found);
        requireVersion({ currentVersion }, expected);
        await changeSecretRow(tx, tenantId, id, changes);
        const { maxVersions } = changes;
        const superseded = maxVersions === null ? [] : await pushOut(tx, tenantId, id, maxVersions);
        if (superseded.length > 0) requireDelete(asking, path, 'Lowering max_versions below what exists');
        const after = requireWritable((await lookAt(tx, tenantId, path, retentionMs)).secret);
        if (after.expired && !before.expired) requireDelete(asking, path, 'An expiry in the past');
        const extra = {
          changed: changedNames(changes),
          ...(superseded.length === 0 ? {} : { versions_superseded: superseded }),
        };
        return { value: after, facts: { version: currentVersion, extra } };
      }),
  };
}

function changedNames({ metadata, maxVersions, expiry }: Changes): readonly string[] {
  return [
    ...Object.keys(metadata),
    ...(maxVersions === null ? [] : ['max_versions']),
    ...(expiry.type === 'keep' ? [] : ['expires_at']),
  ];
}
