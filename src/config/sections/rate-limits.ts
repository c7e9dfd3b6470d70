import { RATE_CATEGORIES, type RateCategory } from '../../contract/route.ts';
import { boolean } from '../kinds/basic.ts';
import { rate } from '../kinds/rates.ts';
import type { Section } from '../variable.ts';

/** Requests a minute and what they do, by category. */
const CATEGORIES: Readonly<Record<RateCategory, readonly [perMinute: number, what: string]>> = {
  SECRETS_READ: [1000, 'Reading a secret'],
  SECRETS_WRITE: [100, 'Writing a secret'],
  SECRETS_DELETE: [100, 'Deleting a secret'],
  LIST: [100, 'Listing secrets'],
  BATCH_READ: [100, 'Batches of reads'],
  BATCH_METADATA: [100, 'Batches of metadata'],
  AUDIT_QUERY: [50, 'Queries of the audit log'],
  AUDIT_EXPORT: [5, 'Exports of the audit log'],
  POLICY: [50, 'Policies and their bindings'],
  POLICY_TEST: [200, 'Tests of policies'],
  PKI_ISSUE: [50, 'Issuing certificates'],
  PKI_ADMIN: [20, 'Certificate authorities and roles'],
  ACME_ORDER: [30, 'ACME orders'],
  WEBHOOK: [20, 'Webhooks'],
  SUBSCRIPTION: [20, 'Subscriptions'],
  SUBSCRIPTION_POLL: [240, 'Polling a subscription'],
  FEDERATION: [20, 'Federation'],
  DYNAMIC_GENERATE: [100, 'Generating dynamic credentials'],
  DYNAMIC_ADMIN: [20, 'Dynamic engines and roles'],
  LEASE: [100, 'Leases'],
  IDENTITY_READ: [100, 'Reading identities'],
  IDENTITY_SYNC: [5, 'Identity sync'],
  AUTH: [300, 'Asking who one is, introspection, token exchange'],
};

type CategoryRow = {
  readonly kind: typeof rate;
  readonly default: string;
  readonly meaning: string;
  readonly example: string;
};

export type CategoryVariable = `RATE_LIMIT_${RateCategory}`;

function categoryRow(category: RateCategory): CategoryRow {
  const [perMinute, what] = CATEGORIES[category];
  return { kind: rate, default: `${perMinute}/min`, meaning: `${what}.`, example: `${perMinute}/min` };
}

export type CeilingVariable = `RATE_LIMIT_TENANT_${RateCategory}`;

function ceilingRow(category: RateCategory): CategoryRow {
  const [perMinute, what] = CATEGORIES[category];
  const meaning = `${what}: all callers of a tenant together.`;
  return { kind: rate, default: 'off', meaning, example: `${10 * perMinute}/min` };
}

/** A row a category. */
function rows<Name extends string>(prefix: string, rowOf: (category: RateCategory) => CategoryRow) {
  const entries = RATE_CATEGORIES.map((category) => [`${prefix}${category}`, rowOf(category)]);
  return Object.fromEntries(entries) as Readonly<Record<Name, CategoryRow>>;
}

export const RATE_LIMITS = {
  RATE_LIMIT_ENABLED: {
    kind: boolean,
    default: 'true',
    meaning: '`false` turns every category and ceiling off; `RATE_LIMIT_AUTH_FAILURES` stays.',
    example: 'false',
  },
  ...rows<CategoryVariable>('RATE_LIMIT_', categoryRow),
  ...rows<CeilingVariable>('RATE_LIMIT_TENANT_', ceilingRow),
  RATE_LIMIT_AUTH_FAILURES: {
    kind: rate,
    default: '30/min',
    meaning: 'Failed authentications of one address.',
    example: '30/min',
  },
} as const satisfies Section;
