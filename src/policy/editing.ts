import type { AuditFacts } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { PolicyId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import { holdsRole } from '../contract/principal.ts';
import type { Committed } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { ConstraintViolation } from '../postgres/database.ts';
import { admitRules, countsForCaller, latestEnd, refuseLostDenial } from './admission.ts';
import { deleteBindings, type LiveBindingRow, liveBindings } from './bindings/repository.ts';
import { allowsMore } from './differences.ts';
import { policyOf, toDocument } from './documents.ts';
import {
  deletePolicy,
  findPolicy,
  findVersion,
  insertPolicy,
  type PolicyRow,
  type PolicyState,
  tenantSize,
  updatePolicy,
} from './repository.ts';
import { parseRules, type Rule, rangesOf, readStoredRule } from './rules.ts';
import { type ChangeTenant, refuseAboveLimits } from './tenant-change.ts';
import type { Asking, NewPolicy, PolicyDocument, PolicyPatch } from './types.ts';

/** Changes of policies. `expected`: the version that the caller has seen (If-Match), null where it did not say. */
export interface PolicyEditing {
  /** @throws ApiError `invalid_glob`, `invalid_policy`, `name_taken`, `forbidden` */
  create(asking: Asking, policy: NewPolicy): Promise<Committed<PolicyDocument>>;
  /** @throws as {@link create}; ApiError `policy_not_found`, `version_conflict` */
  update(asking: Asking, id: PolicyId, patch: PolicyPatch, expected: number | null): Promise<Committed<PolicyDocument>>;
  /** Makes a new version of a former one. @throws as {@link update}; ApiError `version_not_found` */
  rollback(asking: Asking, id: PolicyId, version: number, expected: number | null): Promise<Committed<PolicyDocument>>;
  /**
   * @param force whether bindings go with it
   * @throws ApiError `policy_not_found`, `version_conflict`, `policy_in_use`, `forbidden`
   */
  remove(asking: Asking, id: PolicyId, force: boolean, expected: number | null): Promise<Committed<null>>;
}

const isAdmin = async (asking: Asking) => holdsRole(await asking.roles(), 'tenant_admin');

/** @param addressesHidden whether requests have come whose source address is unknown */
export function createPolicyEditing(
  changeTenant: ChangeTenant,
  clock: Clock,
  addressesHidden: () => boolean,
): PolicyEditing {
  async function create(asking: Asking, policy: NewPolicy): Promise<Committed<PolicyDocument>> {
    const { rules } = parseRules(policy.rules);
    const { tenantId } = asking.tenant;
    const admin = await isAdmin(asking);
    return changeTenant(
      asking,
      (tx) => tenantSize(tx, tenantId),
      async (tx, size, epochs) => {
        if (!admin) await admitRules(tx, asking, clock, rules, clock.nowMs());
        refuseAboveLimits(size, { policies: 1, rules: rules.length, ranges: rangesOf(rules) });
        const row = { ...policy, id: newId('pol') as PolicyId, is_active: policy.isActive };
        const stored = await insertPolicy(tx, tenantId, row, asking.principal.identityId).catch(nameTaken);
        return { value: toDocument(stored, addressesHidden()), facts: factsOf(stored, epochs) };
      },
    );
  }

  /** @param target what to change, or the number of the version to go back to */
  async function amend(asking: Asking, id: PolicyId, target: PolicyPatch | number, expected: number | null) {
    const { tenantId } = asking.tenant;
    const goesBack = typeof target === 'number';
    if (!goesBack && target.rules !== undefined) parseRules(target.rules);
    const admin = await isAdmin(asking);
    return changeTenant(
      asking,
      (tx) =>
        Promise.all([
          findPolicy(tx, tenantId, id),
          liveBindings(tx, tenantId, id),
          tenantSize(tx, tenantId),
          goesBack ? findVersion(tx, tenantId, id, target) : null,
        ]),
      async (tx, [found, bindings, size, former], epochs) => {
        const current = policyOf(found);
        refuseOtherVersion(current, expected);
        const next = goesBack ? (former ?? noVersion(target, current)) : patched(current, target);
        const [before, after] = [current, next].map(({ rules }) => rules.map(readStoredRule)) as [Rule[], Rule[]];
        if (!admin) {
          await admitRules(tx, asking, clock, after, latestEnd(bindings, clock.nowMs()));
          refuseLostDenial(before, current.is_active && !next.is_active ? [] : after);
        }
        refuseAboveLimits(size, {
          rules: after.length - before.length,
          ranges: rangesOf(after) - rangesOf(before),
        });
        const making = {
          changedBy: asking.principal.identityId,
          ...(goesBack ? ({ change: 'rolled_back', fromVersion: target } as const) : ({ change: 'updated' } as const)),
        };
        const stored = await updatePolicy(tx, tenantId, id, next, making).catch(nameTaken);
        const gains = givesCallerMore(asking, bindings, current.is_active ? before : [], next.is_active ? after : []);
        const extra = {
          change: making.change,
          previous_version: current.version,
          ...(goesBack ? { from_version: target } : {}),
          ...(stored.name === current.name ? {} : { previous_name: current.name }),
        };
        return { value: toDocument(stored, addressesHidden()), facts: factsOf(stored, epochs, extra, gains) };
      },
    );
  }

  async function remove(asking: Asking, id: PolicyId, force: boolean, expected: number | null) {
    const { tenantId } = asking.tenant;
    const admin = await isAdmin(asking);
    return changeTenant(
      asking,
      (tx) => Promise.all([findPolicy(tx, tenantId, id), liveBindings(tx, tenantId, id)]),
      async (tx, [found, bindings], epochs) => {
        const current = policyOf(found);
        refuseOtherVersion(current, expected);
        const before = current.rules.map(readStoredRule);
        if (!admin) {
          await admitRules(tx, asking, clock, [], clock.nowMs());
          refuseLostDenial(before, []);
        }
        if (bindings.length > 0 && !force) {
          throw new ApiError('policy_in_use', { details: { binding_count: bindings.length } });
        }
        await Promise.all([
          deleteBindings(tx, tenantId, id),
          deletePolicy(tx, tenantId, id, asking.principal.identityId),
        ]);
        const gains = givesCallerMore(asking, bindings, current.is_active ? before : [], []);
        const deleted = { ...current, version: current.version + 1 };
        const extra = {
          change: 'deleted',
          previous_version: current.version,
          bindings_removed: bindings.length,
        };
        return { value: null, facts: factsOf(deleted, epochs, extra, gains) };
      },
    );
  }

  return { create, update: amend, rollback: amend, remove };
}

function patched(current: PolicyRow, { name, description, isActive, rules }: PolicyPatch): PolicyState {
  return {
    name: name ?? current.name,
    description: description ?? current.description,
    is_active: isActive ?? current.is_active,
    rules: rules ?? current.rules,
  };
}

/** Whether a change of a policy lets its author do more than before. */
function givesCallerMore(
  asking: Asking,
  bindings: readonly LiveBindingRow[],
  before: readonly Rule[],
  after: readonly Rule[],
): boolean {
  return countsForCaller(asking, bindings) && allowsMore(before, after);
}

function factsOf(
  { id, name, version }: Pick<PolicyRow, 'id' | 'name' | 'version'>,
  epochs: Epochs,
  extra: Readonly<Record<string, unknown>> = {},
  selfGranted = false,
): AuditFacts {
  return {
    ...(selfGranted ? { action: 'policy_self_granted' } : {}),
    resource: `policies/${id}`,
    extra: { policy_name: name, policy_version: version, policy_epoch: epochs.policy, ...extra },
  };
}

function refuseOtherVersion(current: PolicyRow, expected: number | null): void {
  if (expected === null || expected === current.version) return;
  throw new ApiError('version_conflict', {
    message: 'The policy is at another version than you expected. Read it again, then decide.',
    details: { current_version: current.version },
  });
}

function noVersion(version: number, current: PolicyRow): never {
  throw new ApiError('version_not_found', {
    message: `The policy has no version ${version}. See its history.`,
    details: { current_version: current.version },
  });
}

function nameTaken(error: unknown): never {
  if (!(error instanceof ConstraintViolation) || error.constraint !== 'policies_name_taken') throw error;
  throw new ApiError('name_taken', {
    message: 'The tenant has a policy of this name. Choose another one.',
    details: { field: 'name' },
    cause: error,
  });
}
