import { ApiError } from '../../contract/errors.ts';
import type { BindingId, PolicyId } from '../../contract/names.ts';
import type { Database } from '../../postgres/database.ts';
import { toBinding } from '../bindings/binding.ts';
import { MAX_VERSION } from '../schemas.ts';
import type { Asking, Binding, PolicyFilter, PolicySummary, PolicyVersion } from '../types.ts';
import {
  type Listed,
  listBindings,
  listPolicies,
  listVersions,
  type SummaryRow,
  type VersionRow,
} from './repository.ts';

/** How many rows a page has, and after which position it begins. */
export interface Window<Position> {
  readonly after: Position | null;
  readonly limit: number;
}

export interface Slice<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
}

export interface PolicyListing {
  /** In the order of their creation, so that one which is renamed meanwhile is neither missed nor shown twice. */
  policies(asking: Asking, filter: PolicyFilter, window: Window<PolicyId>): Promise<Slice<PolicySummary>>;
  /** In the order of their creation, expired ones too. @throws ApiError `policy_not_found` */
  bindings(asking: Asking, id: PolicyId, window: Window<BindingId>): Promise<Slice<Binding>>;
  /**
   * Newest first, of a deleted policy too. A page whose rules are many bytes is shorter than its limit.
   * @throws ApiError `policy_not_found`
   */
  history(asking: Asking, id: PolicyId, window: Window<number>): Promise<Slice<PolicyVersion>>;
}

const MAX_HISTORY_BYTES = 4 * 1024 * 1024;

export function createPolicyListing(db: Database): PolicyListing {
  return {
    policies: async (asking, filter, { after, limit }) => {
      // One more than asked for tells whether there are more.
      const rows = await confirmed(asking, listPolicies(db, asking.tenant.tenantId, filter, after ?? '', limit + 1));
      return { items: rows.slice(0, limit).map(toSummary), hasMore: rows.length > limit };
    },
    bindings: async (asking, id, { after, limit }) => {
      const listed = await listBindings(db, asking.tenant.tenantId, id, after ?? '', limit + 1);
      const rows = await confirmed(asking, listed);
      if (listed?.found !== true) throw new ApiError('policy_not_found');
      return { items: rows.slice(0, limit).map(toBinding), hasMore: rows.length > limit };
    },
    history: async (asking, id, { after, limit }) => {
      const { tenantId } = asking.tenant;
      const listed = listVersions(db, tenantId, id, after ?? MAX_VERSION, limit, MAX_HISTORY_BYTES);
      const items = (await confirmed(asking, listed)).map(toVersion);
      if (items.length === 0 && after === null) throw new ApiError('policy_not_found');
      // Versions are numbered without gaps, from 1.
      return { items, hasMore: (items.at(-1)?.version ?? 1) > 1 };
    },
  };
}

/** Rows that the caller may still see. */
async function confirmed<Row>(
  asking: Asking,
  listing: Listed<Row> | null | Promise<Listed<Row> | null>,
): Promise<readonly Row[]> {
  const listed = await listing;
  if (listed === null) throw new ApiError('tenant_access_denied');
  await asking.standing.confirm(listed.epochs);
  return listed.rows;
}

function toSummary(row: SummaryRow): PolicySummary {
  return {
    id: row.id,
    name: row.name,
    isActive: row.is_active,
    ruleCount: row.rule_count,
    bindingCount: row.binding_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function toVersion(row: VersionRow): PolicyVersion {
  return {
    version: row.version,
    change: row.change,
    fromVersion: row.from_version,
    name: row.name,
    description: row.description,
    isActive: row.is_active,
    rules: row.rules,
    changedBy: row.changed_by,
    changedAt: row.changed_at,
  };
}
