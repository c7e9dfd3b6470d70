/** The use cases of secrets. What each does stands in the file that is named after it. */
import type { AuditService } from '../audit/service.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Clock } from '../lib/clock.ts';
import type { Mac } from '../lib/cursors.ts';
import type { Database } from '../postgres/database.ts';
import { createAccessTimes } from './access-times.ts';
import { createAppend } from './append.ts';
import { createBatchMetadata } from './batch/metadata.ts';
import { createBatchRead } from './batch/read.ts';
import { createDeletion } from './deletion/delete.ts';
import { createHistory } from './history/history.ts';
import { createList } from './listing/list.ts';
import { createRead } from './read.ts';
import { createMetadata } from './state/metadata.ts';
import { createSweep } from './sweep/sweep.ts';
import type { SecretSettings } from './types.ts';
import { createWrites } from './write.ts';

export { ACCESS_TIMES_EVERY_MS } from './access-times.ts';
export { SWEEP_EVERY_MS } from './sweep/sweep.ts';
export type { SecretSettings } from './types.ts';

export interface SecretsParts {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly audit: AuditService;
  readonly clock: Clock;
  readonly settings: SecretSettings;
  /** Authenticates cursors. */
  readonly mac: Mac;
}

export type SecretsService = ReturnType<typeof createSecretsService>;

export function createSecretsService({ db, keyring, audit, clock, settings, mac }: SecretsParts) {
  const { retentionMs } = settings;
  const accessTimes = createAccessTimes({ db, clock });
  const sweep = createSweep({ db, audit, clock, retentionMs });
  const append = createAppend({ keyring, retentionMs, purge: sweep.purge });
  const metadata = createMetadata({ db, audit, retentionMs });
  return {
    read: createRead({ db, keyring, retentionMs, accessTimes }),
    readBatch: createBatchRead({ db, keyring, retentionMs, accessTimes }),
    readBatchMetadata: createBatchMetadata({ db, retentionMs }),
    ...createWrites({ audit, keyring, append, settings }),
    ...createDeletion({ audit, clock, settings }),
    versions: createHistory({ db, clock, mac, retentionMs }),
    list: createList({ db, clock, mac, retentionMs }),
    readMetadata: metadata.read,
    patchMetadata: metadata.patch,
    sweep: sweep.run,
    storeAccessTimes: accessTimes.flush,
  };
}
