import type { DecisionRecord } from '../../contract/audit.ts';
import { ApiError, ERRORS, type ErrorCode } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Epochs, Permission, RuleKind } from '../../contract/permissions.ts';
import { holdsRole, type Principal, type Role } from '../../contract/principal.ts';
import type { Authority, Judge } from '../../contract/route.ts';
import type { IdentityService } from '../../identity/service.ts';
import { isoMillis } from '../../lib/clock.ts';
import type { Access, Decision, PolicyService } from '../../policy/service.ts';
import type { Authorised, Parsed, RecordedStanding } from '../exchange.ts';

export interface AuthoriseParts {
  readonly policies: PolicyService;
  readonly identity: IdentityService;
}

/** How a request was judged: what the audit entry says of it. */
interface Judgement {
  readonly allowed: boolean;
  readonly kind: DecisionRecord['kind'];
  readonly permission: DecisionRecord['permission'];
  readonly decision: Pick<DecisionRecord, 'decidedBy' | 'reason'> & Partial<Pick<Decision, 'failed'>>;
}

const EACH_PATH = { decidedBy: null, reason: 'each_path' };

const OWN: Judgement = {
  allowed: true,
  kind: null,
  permission: null,
  decision: { decidedBy: null, reason: 'own_facts' },
};

type PathKind = Exclude<RuleKind, 'sys'>;

function byRule(access: Access, kind: PathKind, path: SecretPath | null, permission: Permission): Judgement {
  // A route under a policy names a path: without one nothing can be allowed.
  const decision = path === null ? null : access.decide(kind, path, permission);
  return {
    allowed: decision?.allowed ?? false,
    kind,
    permission,
    decision: decision ?? { decidedBy: null, reason: 'no_matching_rule' },
  };
}

function byRole(access: Access, authority: Extract<Authority, { type: 'role' }>, roles: ReadonlySet<Role>): Judgement {
  const { role, sys } = authority;
  if (holdsRole(roles, role)) {
    const decision = { decidedBy: null, reason: 'allowed_by_role' };
    return { allowed: true, kind: null, permission: null, decision };
  }
  if (sys === undefined) {
    return { allowed: false, kind: null, permission: null, decision: { decidedBy: null, reason: 'role_missing' } };
  }
  const decision = access.decide('sys', sys.path, sys.permission);
  return { allowed: decision.allowed, kind: 'sys', permission: sys.permission, decision };
}

async function judge(access: Access, exchange: Parsed, roles: Authorised['roles']): Promise<Judgement> {
  const { authority } = exchange.route;
  switch (authority.type) {
    case 'policy':
      return byRule(access, authority.kind, exchange.secretPath, authority.permission);
    case 'role':
      return authority.own?.(exchange) === true ? OWN : byRole(access, authority, await roles());
    case 'each_path':
      return { allowed: true, kind: authority.kind, permission: authority.permission, decision: EACH_PATH };
    case 'self':
      return OWN;
  }
}

// A rule gives the same decision object each time, and a token the same principal: most requests repeat a record, which
// the audit entry then need not be made from anew.
const records = new WeakMap<Judgement['decision'], WeakMap<Principal, DecisionRecord>>();

function record(judgement: Judgement, epochs: Epochs, principal: Principal): DecisionRecord {
  const { decision, kind, permission } = judgement;
  const known = records.get(decision)?.get(principal);
  const isSame = known?.policyEpoch === epochs.policy && known.kind === kind && known.permission === permission;
  if (known !== undefined && isSame) return known;
  const made = makeRecord(judgement, epochs, principal);
  const ofDecision = records.get(decision) ?? new WeakMap<Principal, DecisionRecord>();
  records.set(decision, ofDecision.set(principal, made));
  return made;
}

function makeRecord(judgement: Judgement, epochs: Epochs, principal: Principal): DecisionRecord {
  return {
    kind: judgement.kind,
    permission: judgement.permission,
    policyEpoch: epochs.policy,
    decidedBy: judgement.decision.decidedBy,
    reason: judgement.decision.reason,
    failedCondition: judgement.decision.failed?.condition ?? null,
    subject: principal.subject,
    groups: principal.groups,
    scopes: [...principal.scopes],
    mfaVerifiedAt: principal.mfaVerifiedAt === null ? null : isoMillis(principal.mfaVerifiedAt),
  };
}

const ADDRESS_UNKNOWN =
  'The policy allows this from some network addresses only, and yours is not known here. Ask the operator of this ' +
  'server to look at TRUSTED_PROXIES, and give them the decision id.';

/** What the caller is told: the condition that would have to hold, where there is one, else who can help. */
function refusalOf({ decision: { failed } }: Judgement, { draft, source }: Parsed, role?: Role) {
  const code: ErrorCode = failed?.code ?? (role === undefined ? 'access_denied' : 'forbidden');
  const message =
    code === 'forbidden'
      ? `This call needs the role ${role} of the tenant. Ask one of its administrators.`
      : failed?.condition === 'ip_ranges' && source.ip === null
        ? ADDRESS_UNKNOWN
        : ERRORS[code].message;
  const details = {
    decision_id: draft.id,
    ...(failed == null ? {} : { failed_condition: failed.condition }),
    ...(role === undefined ? {} : { role }),
  };
  return { code, message, details };
}

/** Refused with the judgement that the audit entry records. */
export class Refused extends ApiError {
  readonly decision: DecisionRecord;

  constructor({ code, ...options }: ReturnType<typeof refusalOf>, decision: DecisionRecord) {
    super(code, options);
    this.decision = decision;
  }
}

/**
 * Stage 8: the route's authority. Judged before anything is looked up, so that what is not allowed and what does not
 * exist are the same to whoever may not know.
 */
export async function authorise(exchange: Parsed, { policies, identity }: AuthoriseParts): Promise<Authorised> {
  const { principal, tenant, route } = exchange;
  const { authority } = route;
  let known: Promise<ReadonlySet<Role>> | null = null;
  const roles = () => {
    known ??= identity.effectiveRoles(principal, tenant);
    return known;
  };

  async function admit(access: Access): Promise<DecisionRecord> {
    const judgement = await judge(access, exchange, roles);
    const decision = record(judgement, access.epochs, principal);
    if (judgement.allowed) return decision;
    const role = authority.type === 'role' ? authority.role : undefined;
    throw new Refused(refusalOf(judgement, exchange, role), decision);
  }

  let access = await policies.access(principal, tenant, exchange.source.ip);
  let draft = { ...exchange.draft, decision: await admit(access) };
  const standing: RecordedStanding = {
    // Of the decision that counted: one made again replaces the one before.
    get draft() {
      return draft;
    },
    holds: (epochs) => epochs.policy === access.epochs.policy && epochs.subject === access.epochs.subject,
    confirm: async (epochs) => {
      if (standing.holds(epochs)) return;
      access = await policies.reconfirm(principal, tenant, access, epochs);
      known = null;
      draft = { ...exchange.draft, decision: await admit(access) };
    },
  };
  const judgeMore: Judge = {
    path: (kind, path, permission) => {
      const judgement = byRule(access, kind, path, permission);
      const decision = record(judgement, access.epochs, principal);
      if (judgement.allowed) return { allowed: true, decision };
      return { allowed: false, decision, error: new Refused(refusalOf(judgement, exchange), decision) };
    },
    reach: (kind, permission) => access.reach(kind, permission),
  };
  return {
    ...exchange,
    roles,
    standing,
    judge: judgeMore,
    draft,
  };
}
