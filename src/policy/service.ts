import type { AuditService } from '../audit/service.ts';
import type { AuditDraft, AuditFacts } from '../contract/audit.ts';
import { ApiError, validationError } from '../contract/errors.ts';
import type { BindingId, PolicyId } from '../contract/names.ts';
import type { Epochs } from '../contract/permissions.ts';
import { holdsRole, type Principal, type Role, type Subject, subjectKey, type Tenant } from '../contract/principal.ts';
import type { Committed, Standing } from '../contract/route.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { ConstraintViolation, type Database, type Transaction } from '../postgres/database.ts';
import { type Access, carriedSubjects, PolicyAccess, PolicySets, selectPolicies } from './access.ts';
import { refuseEscalation } from './escalation.ts';
import {
  type BindingRow,
  findBinding,
  findPolicy,
  insertPolicy,
  loadPolicies,
  type PolicyRow,
  raiseEpoch,
  saveBinding,
  tenantSize,
} from './repository.ts';
import { parseRules, type Rule, readStoredRule, warningsOf } from './rules.ts';
import { templateValues } from './templates.ts';
import { makeState, sameEpochs } from './tenant-state.ts';
import { TenantStates } from './tenant-states.ts';
import type { Binding, NewBinding, NewPolicy, PolicyDocument } from './types.ts';

export type { Access } from './access.ts';
export type { Decision } from './evaluate.ts';

/** A request's part in a use case: who asks, where, and whether its permission still stands. */
export interface Asking {
  readonly principal: Principal;
  readonly tenant: Tenant;
  readonly roles: () => Promise<ReadonlySet<Role>>;
  readonly draft: AuditDraft;
  readonly standing: Standing;
}

/** What this room needs to know about people: the immutable subject behind a readable name. */
export interface IdentityDirectory {
  /** @throws ApiError `identity_not_found`, `validation_error` */
  resolve(tenant: Tenant, identityType: Subject['kind'], identityId: string): Promise<{ readonly subject: Subject }>;
}

export interface PolicyService {
  /**
   * What the caller may do in a tenant, by policies of at most a second ago.
   * @throws ApiError `tenant_access_denied` when there is no such tenant; DatabaseUnavailable
   */
  access(principal: Principal, tenant: Tenant): Promise<Access>;
  /** The same access when it was found out under these epochs, else a new one that is no older than they are. */
  reconfirm(principal: Principal, tenant: Tenant, access: Access, epochs: Epochs): Promise<Access>;
  /** @throws ApiError `invalid_glob`, `invalid_policy`, `name_taken`, `forbidden` */
  create(asking: Asking, policy: NewPolicy): Promise<Committed<PolicyDocument>>;
  /** @throws ApiError `policy_not_found` */
  read(asking: Asking, id: PolicyId): Promise<PolicyDocument>;
  /**
   * Binds a policy to a subject. A subject that the policy is bound to already keeps its binding, which gets the new
   * end.
   * @throws ApiError `policy_not_found`, `identity_not_found`, `invalid_policy`, `forbidden`, `validation_error`
   */
  bind(asking: Asking, id: PolicyId, binding: NewBinding): Promise<Committed<{ binding: Binding; created: boolean }>>;
}

/** What a tenant may have: its policies are held in the memory of every process. docs/policies.md, "Limits". */
export const TENANT_LIMITS = { policies: 2_000, rules: 20_000, bindings: 20_000 } as const;

export interface PolicyServiceOptions {
  readonly db: Database;
  readonly audit: Pick<AuditService, 'commit'>;
  readonly clock: Clock;
  readonly identities: IdentityDirectory;
}

export function createPolicyService({ db, audit, clock, identities }: PolicyServiceOptions): PolicyService {
  const states = new TenantStates(db, clock);
  const sets = new PolicySets();

  /** A change and its audit entry; afterwards this process asks the database before it judges by what it knew. */
  async function change<T>(
    asking: Asking,
    work: (tx: Transaction, epochs: Epochs) => Promise<{ readonly value: T; readonly facts: AuditFacts }>,
  ): Promise<Committed<T>> {
    try {
      return await audit.commit(asking.draft, async (tx) => {
        const epochs = await raiseEpoch(tx, asking.tenant.tenantId);
        if (epochs === null) throw new ApiError('tenant_access_denied');
        return work(tx, epochs);
      });
    } finally {
      // Also when the outcome is unknown.
      states.forget(asking.tenant.tenantId);
    }
  }

  /**
   * What a caller without the role may hand out until a moment, judged inside the transaction that holds the tenant's
   * row: by the policies as they are, which nobody changes before it commits.
   * @throws ApiError `forbidden`
   */
  async function admitRules(tx: Transaction, asking: Asking, given: readonly Rule[], untilMs: number): Promise<void> {
    const { principal, tenant } = asking;
    const loaded = await loadPolicies(tx, tenant.tenantId);
    if (loaded === null) throw new ApiError('tenant_access_denied');
    const state = makeState(tenant.tenantId, loaded, null);
    // What let the request in may be gone since.
    const access = new PolicyAccess(state, principal, tenant, new PolicySets(), clock);
    if (!access.decide('sys', 'policies', 'write').allowed) throw new ApiError('forbidden');
    const heldAt = (ms: number) => selectPolicies(state, principal, tenant, ms).policies.flatMap((each) => each.rules);
    const now = clock.nowMs();
    // What one holds for a while is not handed on for longer: the binding must still count just before that moment.
    refuseEscalation(given, {
      allowing: heldAt(Math.max(now, untilMs - 1)),
      denying: heldAt(now),
      values: templateValues(principal, state.tenantKey),
    });
  }

  async function create(asking: Asking, policy: NewPolicy): Promise<Committed<PolicyDocument>> {
    const { rules } = parseRules(policy.rules);
    const isAdmin = holdsRole(await asking.roles(), 'tenant_admin');
    return change(asking, async (tx, epochs) => {
      if (!isAdmin) await admitRules(tx, asking, rules, clock.nowMs());
      await refuseAboveLimits(tx, asking.tenant, { policies: 1, rules: rules.length, bindings: 0 });
      const row = { ...policy, id: newId('pol') as PolicyId, is_active: policy.isActive };
      const stored = await insertPolicy(tx, asking.tenant.tenantId, row, asking.principal.identityId).catch(nameTaken);
      const facts = {
        resource: `policies/${stored.id}`,
        extra: { policy_name: stored.name, policy_version: stored.version, policy_epoch: epochs.policy },
      };
      return { value: toDocument(stored), facts };
    });
  }

  async function read(asking: Asking, id: PolicyId): Promise<PolicyDocument> {
    const found = await findPolicy(db, asking.tenant.tenantId, id);
    if (found === null) throw new ApiError('policy_not_found');
    await asking.standing.confirm(found.epochs);
    return toDocument(found.policy);
  }

  async function bind(asking: Asking, id: PolicyId, asked: NewBinding) {
    const { principal, tenant } = asking;
    if (asked.expiresAt !== null && asked.expiresAt.getTime() <= clock.nowMs()) {
      throw validationError({ expires_at: 'must be in the future' });
    }
    const { subject } = await identities.resolve(tenant, asked.identityType, asked.identityId);
    const isAdmin = holdsRole(await asking.roles(), 'tenant_admin');
    return change(asking, async (tx, epochs) => {
      const found = await findPolicy(tx, tenant.tenantId, id);
      if (found === null) throw new ApiError('policy_not_found');
      const rules = found.policy.rules.map(readStoredRule);
      const before = await findBinding(tx, tenant.tenantId, id, subject);
      if (!isAdmin) {
        await admitRules(tx, asking, rules, asked.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
        if (before !== null) refuseWeakerDeny(rules, before.expires_at, asked.expiresAt);
      }
      if (before === null) await refuseAboveLimits(tx, tenant, { policies: 0, rules: 0, bindings: 1 });
      const row = await saveBinding(tx, tenant.tenantId, {
        id: newId('bnd') as BindingId,
        policyId: id,
        subject,
        displayName: asked.identityId,
        expiresAt: asked.expiresAt,
        createdBy: principal.identityId,
      });
      const selfGranted = carriedSubjects(principal, tenant).includes(subjectKey(subject));
      const facts: AuditFacts = {
        ...(selfGranted ? { action: 'policy_self_granted' } : {}),
        resource: `policies/${id}`,
        extra: {
          binding_id: row.id,
          subject,
          expires_at: row.expires_at?.toISOString() ?? null,
          policy_version: found.policy.version,
          policy_epoch: epochs.policy,
        },
      };
      return { value: { binding: toBinding(row), created: before === null }, facts };
    });
  }

  return {
    access: async (principal, tenant) =>
      new PolicyAccess(await states.get(tenant.tenantId), principal, tenant, sets, clock),
    reconfirm: async (principal, tenant, access, epochs) => {
      if (sameEpochs(access.epochs, epochs)) return access;
      const state = await states.since(tenant.tenantId, epochs);
      return new PolicyAccess(state, principal, tenant, sets, clock);
    },
    create,
    read,
    bind,
  };
}

async function refuseAboveLimits(
  tx: Transaction,
  tenant: Tenant,
  added: Readonly<Record<keyof typeof TENANT_LIMITS, number>>,
): Promise<void> {
  const size = await tenantSize(tx, tenant.tenantId);
  for (const what of ['policies', 'rules', 'bindings'] as const) {
    if (added[what] === 0 || size[what] + added[what] <= TENANT_LIMITS[what]) continue;
    throw new ApiError('invalid_policy', {
      message: `The tenant has ${size[what]} ${what}; ${TENANT_LIMITS[what]} are the most. Use globs, or bind groups.`,
    });
  }
}

/** A caller without the role takes no deny rule from anybody, not even by letting its binding end sooner. */
function refuseWeakerDeny(rules: readonly Rule[], before: Date | null, after: Date | null): void {
  const endsSooner = (after?.getTime() ?? Number.POSITIVE_INFINITY) < (before?.getTime() ?? Number.POSITIVE_INFINITY);
  if (!endsSooner || rules.every((rule) => rule.effect === 'allow')) return;
  throw new ApiError('forbidden', {
    message: 'The policy denies something, so its binding cannot end sooner than it does. Ask a tenant_admin to do it.',
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

function toDocument(row: PolicyRow): PolicyDocument {
  const { id, name, description, scope, version, rules } = row;
  return {
    id,
    name,
    description,
    scope,
    isActive: row.is_active,
    version,
    rules,
    warnings: warningsOf(rules.map(readStoredRule)),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function toBinding(row: BindingRow): Binding {
  const { id, policy_id: policyId, kind, subject_issuer: issuer, subject_tenant: tenantId, subject_id } = row;
  return {
    id,
    policyId,
    subject: { kind, issuer, tenantId, id: subject_id },
    identityId: row.display_name,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}
