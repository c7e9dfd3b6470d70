import type { PolicyId, TenantId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import { subjectKey } from '../contract/principal.ts';
import type { Policy } from './evaluate.ts';
import type { TenantPolicies } from './repository.ts';
import { rangesOf, readStoredRule } from './rules.ts';
import { tenantKey } from './templates.ts';

/** A policy that is bound to somebody, until when. */
export interface Bound {
  readonly policy: Policy;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | null;
}

/**
 * The policies and bindings of one tenant as of one epoch. It never changes: a newer one takes its place whole, so no
 * request is judged by half a change.
 */
export interface TenantState {
  readonly tenantId: TenantId;
  /** Of the load; what was compiled from it is kept under this number. */
  readonly generation: number;
  readonly epochs: Epochs;
  readonly policies: ReadonlyMap<PolicyId, Policy>;
  /** By `subjectKey`. */
  readonly bound: ReadonlyMap<string, readonly Bound[]>;
  /** What `{{tenant.id}}` stands for. */
  readonly tenantKey: string;
  /** Rules, ranges and bindings: roughly what it takes in memory. */
  readonly size: number;
}

let generations = 0;

/** Reads what was loaded. A policy that did not change since `before` is taken over as it was read then. */
export function makeState(tenantId: TenantId, loaded: TenantPolicies, before: TenantState | null): TenantState {
  const policies = new Map<PolicyId, Policy>();
  let size = 1 + loaded.bindings.length;
  for (const { id, version, rules } of loaded.policies) {
    const known = before?.policies.get(id);
    const policy = known?.version === version ? known : { id, version, rules: rules.map(readStoredRule) };
    policies.set(id, policy);
    size += rules.length + rangesOf(policy.rules);
  }
  const bound = new Map<string, Bound[]>();
  for (const binding of loaded.bindings) {
    // Not there: the policy is switched off.
    const policy = policies.get(binding.policy_id);
    if (policy === undefined) continue;
    const { kind, subject_issuer: issuer, subject_tenant: home, subject_id: id } = binding;
    const key = subjectKey({ kind, issuer, tenantId: home, id });
    const others = bound.get(key) ?? [];
    others.push({ policy, expiresAt: binding.expires_ms });
    bound.set(key, others);
  }
  return {
    tenantId,
    generation: ++generations,
    epochs: loaded.epochs,
    policies,
    bound,
    tenantKey: tenantKey(tenantId),
    size,
  };
}

export function sameEpochs(a: Epochs, b: Epochs): boolean {
  return a.policy === b.policy && a.subject === b.subject;
}

/** Whether epochs are those asked for, or later ones. They only ever rise. */
export function reaches(epochs: Epochs, asked: Epochs): boolean {
  return epochs.policy >= asked.policy && epochs.subject >= asked.subject;
}
