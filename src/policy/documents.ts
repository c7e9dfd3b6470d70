import { ApiError } from '../contract/errors.ts';
import type { PolicyRow } from './repository.ts';
import { type Rule, type RuleWarning, readStoredRule, warningsOf } from './rules.ts';
import type { PolicyDocument } from './types.ts';

/** @param addressesHidden whether requests have come whose source address is unknown: a warning to who saves a policy */
export function toDocument(row: PolicyRow, addressesHidden = false): PolicyDocument {
  const { id, name, description, scope, version, rules: stored } = row;
  const rules = stored.map(readStoredRule);
  return {
    id,
    name,
    description,
    scope,
    isActive: row.is_active,
    version,
    rules: stored,
    warnings: [...warningsOf(rules), ...(addressesHidden ? hiddenAddresses(rules) : [])],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Spec 12, "Source address". Once a policy is enough. */
function hiddenAddresses(rules: readonly Rule[]): readonly RuleWarning[] {
  const index = rules.findIndex(({ conditions }) => conditions !== null && conditions.ipRanges !== null);
  const message =
    'Requests have come with forwarding headers from a peer that is no trusted proxy, so their address is unknown: ' +
    'ip_ranges keep them out of allow rules, and catch them in deny rules. Check TRUSTED_PROXIES.';
  return index < 0 ? [] : [{ rule_index: index, message }];
}

/** The policy that was looked for. @throws ApiError `policy_not_found` */
export function policyOf(found: { readonly policy: PolicyRow | null } | null): PolicyRow {
  if (found === null || found.policy === null) throw new ApiError('policy_not_found');
  return found.policy;
}
