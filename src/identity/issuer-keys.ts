import { LRUCache } from 'lru-cache';
import { ApiError } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../telemetry/log.ts';
import { type DocumentOptions, type Documents, openDocuments } from './http-documents.ts';
import { type IssuerCache, issuerCache, type LoadedKeys } from './issuer-cache.ts';
import { discover } from './issuer-discovery.ts';
import { readKeySet } from './key-set.ts';
import type { KeySource } from './types.ts';

// Issuers of single tenants that are kept; the one looked at longest ago is forgotten first.
const MAX_TENANT_ISSUERS = 1_000;
// Strangers choose whose keys are fetched, among the tenants that exist: not all at once.
const MAX_PARALLEL_LOADS = 8;
const TICK_MS = 30_000;

export interface IssuerKeysOptions extends DocumentOptions {
  /** `SCAIKEY_URL`. */
  readonly issuer: string;
  /** `SCAIKEY_JWKS_URL`: instead of discovery, for this issuer only. What is found there is not known to be ScaiKey. */
  readonly jwksUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface IssuerKeys extends KeySource {
  /** What the timer does: refreshes every issuer whose keys have come of age. */
  refreshDue(): Promise<void>;
}

/**
 * Keys of the platform's issuer and of the tenants' own issuers, fetched when first needed, each in a cache of its own.
 * Which issuers are accepted at all is the caller's decision.
 */
export function openIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const documents = openDocuments(options);
  const tenants = new LRUCache<string, IssuerCache>({ max: MAX_TENANT_ISSUERS });
  let loading = 0;

  const bounded = async (issuer: string): Promise<LoadedKeys> => {
    if (loading >= MAX_PARALLEL_LOADS) throw new ApiError('service_unavailable', { retryAfter: 1 });
    loading++;
    try {
      return await loadKeys(documents, issuer, undefined);
    } finally {
      loading--;
    }
  };

  const platform = issuerCache(
    options.issuer,
    () => loadKeys(documents, options.issuer, options.jwksUrl),
    options.clock,
    options.log,
  );

  const cacheOf = (issuer: string): IssuerCache => {
    if (issuer === options.issuer) return platform;
    const known = tenants.get(issuer);
    if (known !== undefined) return known;
    const made = issuerCache(issuer, () => bounded(issuer), options.clock, options.log);
    tenants.set(issuer, made);
    return made;
  };

  const refreshAll = async (): Promise<void> => {
    await platform.refreshDue();
    // One after the other, so that the background never takes the places of those who wait for an answer.
    for (const cache of [...tenants.values()]) await cache.refreshDue().catch(() => undefined);
  };
  let refreshing: Promise<void> | null = null;
  const refreshDue = (): Promise<void> => {
    refreshing ??= refreshAll().finally(() => {
      refreshing = null;
    });
    return refreshing;
  };
  const timer = setInterval(() => void refreshDue(), TICK_MS).unref();

  return {
    find: (issuer, header) => cacheOf(issuer).find(header),
    refreshDue,
    close: async () => {
      clearInterval(timer);
      await documents.close();
    },
  };
}

async function loadKeys(documents: Documents, issuer: string, jwksUrl: string | undefined): Promise<LoadedKeys> {
  const found = jwksUrl === undefined ? await discover(documents, issuer) : { jwksUrl, scaiKey: false };
  return { keys: readKeySet(await documents.fetch(found.jwksUrl)), scaiKey: found.scaiKey };
}
