import { isoTime, isoTimeOrNull } from '../lib/clock.ts';
import type { RuleText } from './rules.ts';
import type { Binding, PolicyDocument, PolicySummary, PolicyVersion } from './types.ts';

export function policyBody(policy: PolicyDocument) {
  return {
    id: policy.id,
    name: policy.name,
    description: policy.description,
    scope: policy.scope,
    is_active: policy.isActive,
    version: policy.version,
    rules: policy.rules.map(inOrder),
    created_at: isoTime(policy.createdAt),
    updated_at: isoTime(policy.updatedAt),
    warnings: policy.warnings,
  };
}

const MEMBERS: readonly string[] = [
  'path_pattern',
  'permissions',
  'effect',
  'kind',
  'conditions',
] satisfies readonly (keyof RuleText)[];

/** `jsonb` gives members back in an order of its own; people read the path first. What is not known here comes last. */
function inOrder(rule: unknown): unknown {
  if (typeof rule !== 'object' || rule === null) return rule;
  const placeOf = (name: string) => (MEMBERS.includes(name) ? MEMBERS.indexOf(name) : MEMBERS.length);
  return Object.fromEntries(Object.entries(rule).sort(([a], [b]) => placeOf(a) - placeOf(b)));
}

export function summaryBody(policy: PolicySummary) {
  return {
    id: policy.id,
    name: policy.name,
    rule_count: policy.ruleCount,
    binding_count: policy.bindingCount,
    is_active: policy.isActive,
    created_at: isoTime(policy.createdAt),
    updated_at: isoTime(policy.updatedAt),
  };
}

export function versionBody(version: PolicyVersion) {
  return {
    version: version.version,
    change: version.change,
    from_version: version.fromVersion,
    name: version.name,
    description: version.description,
    is_active: version.isActive,
    rules: version.rules.map(inOrder),
    changed_by: version.changedBy,
    changed_at: isoTime(version.changedAt),
  };
}

export function bindingBody(binding: Binding) {
  const { subject } = binding;
  return {
    id: binding.id,
    policy_id: binding.policyId,
    identity_type: subject.kind,
    identity_id: binding.identityId,
    subject: { issuer: subject.issuer, tenant_id: subject.tenantId, id: subject.id },
    expires_at: isoTimeOrNull(binding.expiresAt),
    expired: binding.expired,
    created_at: isoTime(binding.createdAt),
  };
}
