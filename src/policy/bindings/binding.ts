import type { AuditFacts } from '../../contract/audit.ts';
import { ApiError, validationError } from '../../contract/errors.ts';
import type { BindingId, PolicyId } from '../../contract/names.ts';
import type { Epochs } from '../../contract/permissions.ts';
import { holdsRole } from '../../contract/principal.ts';
import type { Committed } from '../../contract/route.ts';
import type { Clock } from '../../lib/clock.ts';
import { newId } from '../../lib/ids.ts';
import { admitRules, countsForCaller, endOf, refuseLostDenial } from '../admission.ts';
import { lostDenial } from '../differences.ts';
import { policyOf } from '../documents.ts';
import { findPolicy, type PolicyRow, tenantSize } from '../repository.ts';
import { readStoredRule } from '../rules.ts';
import { type ChangeTenant, refuseAboveLimits } from '../tenant-change.ts';
import type { Asking, Binding, IdentityDirectory, NewBinding } from '../types.ts';
import { type BindingRow, deleteBinding, findBinding, findBindingOf, saveBinding } from './repository.ts';

export interface PolicyBinding {
  /**
   * Binds a policy to a subject. A subject that the policy is bound to already keeps its binding, which gets the new
   * end.
   * @throws ApiError `policy_not_found`, `identity_not_found`, `invalid_policy`, `forbidden`, `validation_error`
   */
  bind(asking: Asking, id: PolicyId, binding: NewBinding): Promise<Committed<{ binding: Binding; created: boolean }>>;
  /** @throws ApiError `policy_not_found`, `binding_not_found`, `forbidden` */
  unbind(asking: Asking, id: PolicyId, bindingId: BindingId): Promise<Committed<null>>;
}

export function createPolicyBinding(
  changeTenant: ChangeTenant,
  clock: Clock,
  identities: IdentityDirectory,
): PolicyBinding {
  async function bind(asking: Asking, id: PolicyId, asked: NewBinding) {
    const { principal, tenant } = asking;
    const { tenantId } = tenant;
    if (asked.expiresAt !== null && asked.expiresAt.getTime() <= clock.nowMs()) {
      throw validationError({ expires_at: 'must be in the future' });
    }
    const { subject } = await identities.resolve(tenant, asked.identityType, asked.identityId);
    const isAdmin = holdsRole(await asking.roles(), 'tenant_admin');
    return changeTenant(
      asking,
      (tx) =>
        Promise.all([findPolicy(tx, tenantId, id), findBindingOf(tx, tenantId, id, subject), tenantSize(tx, tenantId)]),
      async (tx, [found, before, size], epochs) => {
        const policy = policyOf(found);
        const rules = policy.rules.map(readStoredRule);
        if (!isAdmin) {
          await admitRules(tx, asking, clock, rules, endOf(asked.expiresAt));
          if (before !== null && endOf(asked.expiresAt) < endOf(before.expires_at)) refuseLostDenial(rules, []);
        }
        if (before === null) refuseAboveLimits(size, { bindings: 1 });
        const row = await saveBinding(tx, tenantId, {
          id: newId('bnd') as BindingId,
          policyId: id,
          subject,
          displayName: asked.identityId,
          expiresAt: asked.expiresAt,
          createdBy: principal.identityId,
        });
        const facts = factsOf(policy, row, epochs, countsForCaller(asking, [row]));
        return { value: { binding: toBinding(row), created: before === null }, facts };
      },
    );
  }

  async function unbind(asking: Asking, id: PolicyId, bindingId: BindingId) {
    const { tenantId } = asking.tenant;
    const isAdmin = holdsRole(await asking.roles(), 'tenant_admin');
    return changeTenant(
      asking,
      (tx) => Promise.all([findPolicy(tx, tenantId, id), findBinding(tx, tenantId, id, bindingId)]),
      async (tx, [found, binding], epochs) => {
        const policy = policyOf(found);
        if (binding === null) throw new ApiError('binding_not_found');
        // What has ended takes nothing from anybody when it is removed.
        const rules = binding.expired ? [] : policy.rules.map(readStoredRule);
        if (!isAdmin) {
          await admitRules(tx, asking, clock, [], clock.nowMs());
          refuseLostDenial(rules, []);
        }
        await deleteBinding(tx, tenantId, id, bindingId);
        const freed = policy.is_active && lostDenial(rules, []) >= 0 && countsForCaller(asking, [binding]);
        return { value: null, facts: factsOf(policy, binding, epochs, freed) };
      },
    );
  }

  return { bind, unbind };
}

function factsOf(policy: PolicyRow, binding: BindingRow, epochs: Epochs, selfGranted: boolean): AuditFacts {
  return {
    ...(selfGranted ? { action: 'policy_self_granted' } : {}),
    resource: `policies/${policy.id}`,
    extra: {
      policy_name: policy.name,
      binding_id: binding.id,
      subject: toBinding(binding).subject,
      expires_at: binding.expires_at?.toISOString() ?? null,
      policy_version: policy.version,
      policy_epoch: epochs.policy,
    },
  };
}

export function toBinding(row: BindingRow): Binding {
  const { id, policy_id: policyId, kind, subject_issuer: issuer, subject_tenant: tenantId, subject_id } = row;
  return {
    id,
    policyId,
    subject: { kind, issuer, tenantId, id: subject_id },
    identityId: row.display_name,
    expiresAt: row.expires_at,
    expired: row.expired,
    createdAt: row.created_at,
  };
}
