/** The three ways to a new version: a whole value, a change of the current one, a copy of a former one. */
import type { AuditService } from '../audit/service.ts';
import type { AuditFacts } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Committed } from '../contract/route.ts';
import type { Keyring, TenantWriter } from '../keys/keyring.ts';
import type { Transaction } from '../postgres/database.ts';
import type { NewVersion } from './append/repository.ts';
import type { Append, WrittenSecret } from './append.ts';
import { type ChangeAsking, requireStanding, untilFresh } from './asking.ts';
import { mergePatch } from './merge-patch.ts';
import { requireDelete } from './rights.ts';
import { SourceValue } from './source-value.ts';
import { lockAndLook, readSource, type SourceVersion } from './state/repository.ts';
import { expiredRefusal, requireVersion, requireWritable } from './state/require.ts';
import type { SecretData, SecretSettings, SecretState } from './types.ts';

export interface WriteParts {
  readonly audit: Pick<AuditService, 'commit'>;
  readonly keyring: Keyring;
  readonly append: Append;
  readonly settings: SecretSettings;
}

const NOTHING_ELSE: Omit<NewVersion, 'expected'> = {
  secretType: null,
  metadata: {},
  maxVersions: null,
  expiry: { type: 'keep' },
};

export function createWrites({ audit, keyring, append, settings }: WriteParts) {
  const { retentionMs, maxValueBytes } = settings;

  /** Commits what `work` appends; again with fresh keys and permissions where they were outdated. */
  function commit(
    asking: ChangeAsking,
    work: (tx: Transaction, writer: TenantWriter) => Promise<WrittenSecret>,
    extra: AuditFacts['extra'] = {},
  ): Promise<Committed<WrittenSecret>> {
    return untilFresh(async () => {
      // Before the transaction: making a tenant's first key takes one of its own.
      const writer = await keyring.writer(asking.tenant);
      try {
        return await audit.commit(asking.draft, async (tx) => {
          const written = await work(tx, writer);
          const { version, superseded } = written;
          const more = superseded.length === 0 ? extra : { ...extra, versions_superseded: superseded };
          return { value: written, facts: { version, extra: more } };
        });
      } finally {
        writer.release();
      }
    });
  }

  /** A version made from one that is there: with the row locked, so that nothing comes between. */
  async function derive(
    asking: ChangeAsking,
    path: SecretPath,
    change: NewVersion,
    version: number | null,
    admit: (secret: SecretState, source: SourceVersion | null) => void,
    make: (value: Buffer) => Buffer,
  ): Promise<Committed<WrittenSecret>> {
    const { tenant } = asking;
    const values = new SourceValue(keyring, tenant);
    const work = async (tx: Transaction, writer: TenantWriter) => {
      const { epochs, secret: found } = await lockAndLook(tx, tenant.tenantId, path, retentionMs);
      requireStanding(asking, epochs);
      const secret = requireWritable(found);
      requireVersion(secret, change.expected);
      const from = version ?? secret.currentVersion;
      const source = await readSource(tx, tenant.tenantId, secret.id, from, retentionMs);
      admit(secret, source);
      if (source === null) throw noSuchVersion(secret);
      const value = values.with(writer, secret, source, make);
      try {
        return await append(tx, asking, writer, path, { ...change, value, from: version });
      } finally {
        value.fill(0);
      }
    };
    try {
      return await commit(asking, work, version === null ? { merged: true } : { from_version: version });
    } finally {
      values.forget();
    }
  }

  return {
    async write(asking: ChangeAsking, path: SecretPath, data: SecretData, change: NewVersion) {
      const value = Buffer.from(JSON.stringify(data), 'utf8');
      try {
        return await commit(asking, (tx, writer) => append(tx, asking, writer, path, { ...change, value, from: null }));
      } finally {
        value.fill(0);
      }
    },

    /** Merges a patch into the current value. The result is not shown, so that no permission to read is needed. */
    patch(asking: ChangeAsking, path: SecretPath, patch: SecretData, change: NewVersion) {
      const admit = (secret: SecretState, source: SourceVersion | null) => {
        if (secret.expired && secret.expiresAt !== null) throw expiredRefusal(secret.expiresAt, secret.currentVersion);
        if (source?.readable === false) throw noSuchVersion(secret);
      };
      const make = (value: Buffer) => {
        const merged = JSON.stringify(mergePatch(JSON.parse(value.toString('utf8')), patch));
        const bytes = Buffer.from(merged, 'utf8');
        if (bytes.length <= maxValueBytes) return bytes;
        bytes.fill(0);
        throw new ApiError('payload_too_large', {
          message: `The merged value would be larger than ${maxValueBytes} bytes.`,
          details: { max_bytes: maxValueBytes },
        });
      };
      return derive(asking, path, change, null, admit, make);
    },

    /** Appends a copy of a former version. One that nobody can read any more needs `delete` too (spec 12). */
    rollback(asking: ChangeAsking, path: SecretPath, version: number, expected: number | null) {
      const admit = (secret: SecretState, source: SourceVersion | null) => {
        if (source === null || (source.readable && !secret.expired)) return;
        requireDelete(asking, path, `Going back to version ${version}, which is not readable any more,`);
      };
      return derive(asking, path, { ...NOTHING_ELSE, expected }, version, admit, (value) => Buffer.from(value));
    },
  };
}

function noSuchVersion({ currentVersion }: SecretState): ApiError {
  return new ApiError('version_not_found', { details: { current_version: currentVersion } });
}
