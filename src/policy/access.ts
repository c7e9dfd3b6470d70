import { LRUCache } from 'lru-cache';
import { type PolicyId, parseSecretPath, type SecretPath } from '../contract/names.ts';
import type { Epochs, PathPattern, Permission, Reach, RuleKind } from '../contract/permissions.ts';
import { type Principal, type Subject, subjectKey, type Tenant } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import { Findings } from './conditions/findings.ts';
import { type Decision, type Policy, PolicySet, targetOf } from './evaluate.ts';
import type { Glob, TemplateValues } from './glob.ts';
import { permissionBit } from './permission-mask.ts';
import type { Effect } from './rules.ts';
import { templateValues } from './templates.ts';
import type { TenantState } from './tenant-state.ts';

/** What one caller may do in one tenant, under the epochs that it was found out with. */
export interface Access {
  readonly epochs: Epochs;
  /** Where the request comes from; null: unknown. */
  readonly sourceIp: string | null;
  decide(kind: RuleKind, path: SecretPath, permission: Permission): Decision;
  /** @param path of the route table (`policies`, `audit`), never of a request */
  decide(kind: 'sys', path: string, permission: Permission): Decision;
  /** The patterns of the rules that apply now, with their templates filled in. */
  reach(kind: RuleKind, permission: Permission): Reach;
}

/** Who asks, where, and from where. */
export interface Caller {
  readonly principal: Principal;
  readonly tenant: Tenant;
  /** As `canonicalIp` gives it; null: unknown. */
  readonly sourceIp: string | null;
}

/** The policies that count for a caller at one moment. */
export interface Selection {
  readonly policies: readonly Policy[];
  /** When the first of their bindings expires; milliseconds since the epoch. */
  readonly until: number;
}

/**
 * What bindings of the tenant a caller carries: those of its immutable subject and, at home only, those of the groups
 * that its token names, as groups of the token's own issuer (spec 12, "Bindings hold immutable subjects").
 */
export function carriedSubjects(principal: Carrier, tenant: Tenant): readonly string[] {
  return subjectsOf(principal, tenant).map(subjectKey);
}

/** As {@link carriedSubjects}, by their parts; its own first. */
export function subjectsOf({ subject, groups }: Carrier, { tenantId }: Tenant): readonly Subject[] {
  if (tenantId !== subject.tenantId) return [subject];
  const { issuer } = subject;
  return [subject, ...groups.map((id): Subject => ({ kind: 'group', issuer, tenantId, id }))];
}

type Carrier = Pick<Principal, 'subject' | 'groups'>;

/** The active policies bound to a caller whose bindings have not expired at a moment. */
export function selectPolicies(state: TenantState, principal: Principal, tenant: Tenant, atMs: number): Selection {
  const policies = new Map<PolicyId, Policy>();
  let until = Number.POSITIVE_INFINITY;
  for (const subject of carriedSubjects(principal, tenant)) {
    for (const { policy, expiresAt } of state.bound.get(subject) ?? []) {
      if (expiresAt !== null && expiresAt <= atMs) continue;
      policies.set(policy.id, policy);
      until = Math.min(until, expiresAt ?? until);
    }
  }
  return { policies: [...policies.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), until };
}

const MAX_SETS = 2_000;
const MAX_RULES = 200_000;

/** Compiled policies, shared by callers of a tenant that have the same ones. */
export class PolicySets {
  readonly #sets = new LRUCache<string, PolicySet>({
    max: MAX_SETS,
    maxSize: MAX_RULES,
    sizeCalculation: (set) => set.ruleCount + 1,
  });

  of(state: TenantState, policies: readonly Policy[]): PolicySet {
    const key = `${state.generation} ${policies.map((policy) => policy.id).join(' ')}`;
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const set = new PolicySet(state.tenantId, policies);
    this.#sets.set(key, set);
    return set;
  }
}

/**
 * Access by a tenant's state. A binding that expires while it is held no longer counts from that moment on, and
 * conditions are judged by the time of each question.
 */
export class PolicyAccess implements Access {
  readonly #state: TenantState;
  readonly #caller: Caller;
  readonly #values: TemplateValues;
  readonly #sets: PolicySets;
  readonly #clock: Clock;
  #policies: readonly Policy[] = [];
  #set: PolicySet;
  #until: number;
  #findings: Findings;

  constructor(state: TenantState, caller: Caller, sets: PolicySets, clock: Clock) {
    this.#state = state;
    this.#caller = caller;
    this.#values = templateValues(caller.principal, state.tenantKey);
    this.#sets = sets;
    this.#clock = clock;
    const now = clock.nowMs();
    this.#findings = findingsOf(caller, now);
    const { policies, until } = selectPolicies(state, caller.principal, caller.tenant, now);
    this.#policies = policies;
    this.#set = sets.of(state, policies);
    this.#until = until;
  }

  get sourceIp(): string | null {
    return this.#caller.sourceIp;
  }

  get epochs(): Epochs {
    return this.#state.epochs;
  }

  decide(kind: RuleKind, path: string, permission: Permission): Decision {
    const canonical = kind === 'sys' ? parseSecretPath(path) : (path as SecretPath);
    const findings = this.#now();
    return this.#set.decide(targetOf(this.#state.tenantId, kind, canonical, permission), this.#values, findings);
  }

  reach(kind: RuleKind, permission: Permission): Reach {
    const findings = this.#now();
    const bit = permissionBit(permission);
    const rules = this.#policies
      .flatMap((policy) => policy.rules)
      .filter((rule) => rule.kind === kind && (rule.permissions & bit) !== 0 && rule.glob.impossible === null)
      .filter((rule) => findings.against(rule.effect, rule.conditions) === null);
    const patterns = (effect: Effect) =>
      rules.flatMap((rule) => (rule.effect === effect ? (fillPattern(rule.glob, this.#values, effect) ?? []) : []));
    return { allow: patterns('allow'), deny: patterns('deny') };
  }

  /** Brings what depends on the time to the moment of this call. */
  #now(): Findings {
    const now = this.#clock.nowMs();
    if (now >= this.#until) this.#select(now);
    if (now !== this.#findings.circumstances.nowMs) this.#findings = findingsOf(this.#caller, now);
    return this.#findings;
  }

  #select(now: number): void {
    const { policies, until } = selectPolicies(this.#state, this.#caller.principal, this.#caller.tenant, now);
    this.#policies = policies;
    this.#set = this.#sets.of(this.#state, policies);
    this.#until = until;
  }
}

export function findingsOf({ principal, sourceIp }: Caller, nowMs: number): Findings {
  return new Findings({ sourceIp, mfaVerifiedAt: principal.mfaVerifiedAt, nowMs });
}

/** A list of one pattern, or null where a template without a value makes the rule match nothing. */
function fillPattern(glob: Glob, values: TemplateValues, effect: Effect): readonly [PathPattern] | null {
  const steps = glob.steps.map((step) => {
    if (step.type !== 'template') return step;
    const text = values[step.name];
    if (text !== null) return { type: 'literal' as const, text };
    return effect === 'deny' ? { type: 'any' as const } : null;
  });
  return steps.every((step) => step !== null) ? [steps] : null;
}
