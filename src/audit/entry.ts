import type { AuditDraft, AuditResult, DecisionRecord } from '../contract/audit.ts';
import { isoMicros } from '../lib/clock.ts';

/** One entry as it is stored, but for its place in a chain. Names are those of the columns. */
export interface AuditEntry {
  readonly id: string;
  readonly timestamp: string;
  readonly tenant_id: string;
  readonly partner_id: string | null;
  readonly action: string;
  readonly secret_path: string | null;
  readonly resource: string | null;
  readonly identity_type: string | null;
  readonly identity_id: string | null;
  readonly on_behalf_of: string | null;
  readonly source_ip: string | null;
  readonly user_agent: string | null;
  readonly success: boolean;
  readonly error_code: string | null;
  readonly duration_ms: number;
  readonly request_id: string | null;
  readonly version: number | null;
  readonly decision: Readonly<Record<string, unknown>> | null;
  readonly extra_data: Readonly<Record<string, unknown>>;
  readonly instance_id: string;
}

/** PostgreSQL stores neither NUL nor half of a surrogate pair; an entry must never be refused for its text. */
function storable(text: string | null): string | null {
  return text === null ? null : text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** The same for every text inside plain data. */
function storableData(value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  if (Array.isArray(value)) return value.map(storableData);
  if (typeof value !== 'object' || value === null) return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return storableData(value.toJSON());
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storable(name), storableData(member)]));
}

// Requests that repeat a decision carry the same record of it.
const columns = new WeakMap<DecisionRecord, NonNullable<AuditEntry['decision']>>();

function decisionColumn(decision: AuditDraft['decision']): AuditEntry['decision'] {
  if (decision === null) return null;
  const known = columns.get(decision) ?? makeDecisionColumn(decision);
  columns.set(decision, known);
  return known;
}

function makeDecisionColumn(decision: DecisionRecord): NonNullable<AuditEntry['decision']> {
  return {
    kind: decision.kind,
    permission: decision.permission,
    policy_epoch: decision.policyEpoch,
    decided_by:
      decision.decidedBy === null
        ? null
        : {
            policy_id: decision.decidedBy.policyId,
            policy_version: decision.decidedBy.policyVersion,
            rule_index: decision.decidedBy.ruleIndex,
          },
    reason: decision.reason,
    ...(decision.failedCondition == null ? {} : { failed_condition: decision.failedCondition }),
    subject: {
      kind: decision.subject.kind,
      issuer: storable(decision.subject.issuer),
      tenant_id: decision.subject.tenantId,
      id: storable(decision.subject.id),
    },
    groups: decision.groups.map(storable),
    scopes: decision.scopes,
    mfa_verified_at: decision.mfaVerifiedAt,
  };
}

/** Completes a draft with how it ended. `nowMicros` is when. */
export function finishEntry(draft: AuditDraft, result: AuditResult, instanceId: string, nowMicros: number): AuditEntry {
  const facts = result.facts ?? {};
  return {
    id: draft.id,
    timestamp: isoMicros(draft.startedMicros),
    tenant_id: draft.tenantId,
    partner_id: draft.partnerId,
    action: facts.action ?? draft.action,
    secret_path: storable(facts.secretPath ?? draft.secretPath),
    resource: storable(facts.resource ?? draft.resource),
    identity_type: draft.identityType,
    identity_id: storable(draft.identityId),
    on_behalf_of: storable(draft.onBehalfOf),
    source_ip: draft.sourceIp,
    user_agent: storable(draft.userAgent),
    success: result.success,
    error_code: result.success ? null : result.errorCode,
    duration_ms: Math.max(0, nowMicros - draft.startedMicros) / 1000,
    request_id: draft.requestId,
    version: facts.version ?? null,
    decision: decisionColumn(draft.decision),
    extra_data: storableData({ ...draft.extra, ...facts.extra }) as AuditEntry['extra_data'],
    instance_id: instanceId,
  };
}
