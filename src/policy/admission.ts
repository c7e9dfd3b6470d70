import { ApiError } from '../contract/errors.ts';
import { subjectKey } from '../contract/principal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Transaction } from '../postgres/database.ts';
import { carriedSubjects, findingsOf, PolicyAccess, PolicySets, selectPolicies } from './access.ts';
import type { LiveBindingRow } from './bindings/repository.ts';
import { lostDenial } from './differences.ts';
import { refuseEscalation } from './escalation.ts';
import { loadPolicies } from './repository.ts';
import type { Rule } from './rules.ts';
import { templateValues } from './templates.ts';
import { makeState } from './tenant-state.ts';
import type { Asking } from './types.ts';

/**
 * What a caller without the role may hand out until a moment, judged inside the transaction that holds the tenant's
 * row: by the policies as they are, which nobody changes before it commits.
 * @param given all rules of the policy that the change leads to; of a deletion, none
 * @throws ApiError `forbidden`
 */
export async function admitRules(
  tx: Transaction,
  asking: Asking,
  clock: Clock,
  given: readonly Rule[],
  untilMs: number,
): Promise<void> {
  const { principal, tenant } = asking;
  const caller = { principal, tenant, sourceIp: asking.draft.sourceIp };
  const loaded = await loadPolicies(tx, tenant.tenantId);
  if (loaded === null) throw new ApiError('tenant_access_denied');
  const state = makeState(tenant.tenantId, loaded, null);
  // What let the request in may be gone since.
  const access = new PolicyAccess(state, caller, new PolicySets(), clock);
  if (!access.decide('sys', 'policies', 'write').allowed) throw new ApiError('forbidden');
  const heldAt = (ms: number) => selectPolicies(state, principal, tenant, ms).policies.flatMap((each) => each.rules);
  const now = clock.nowMs();
  // What one holds for a while is not handed on for longer: the binding must still count just before that moment.
  refuseEscalation(given, {
    allowing: heldAt(Math.max(now, untilMs - 1)),
    denying: heldAt(now),
    findings: findingsOf(caller, now),
    values: templateValues(principal, state.tenantKey),
  });
}

/**
 * A caller without the role takes no deny rule from anybody, whether it counts at the moment or not.
 * @throws ApiError `forbidden`, naming the first rule that would be lost
 */
export function refuseLostDenial(before: readonly Rule[], after: readonly Rule[]): void {
  const index = lostDenial(before, after);
  if (index < 0) return;
  throw new ApiError('forbidden', {
    message: `rules[${index}] denies something, and this would take it away or weaken it. Ask a tenant_admin to do it.`,
    details: { rule_index: index },
  });
}

/** Whether a policy counts for who is asking, by its own subject or by a group of its own. */
export function countsForCaller({ principal, tenant }: Asking, bindings: readonly LiveBindingRow[]): boolean {
  const carried: ReadonlySet<string> = new Set(carriedSubjects(principal, tenant));
  return bindings.some(({ kind, subject_issuer: issuer, subject_tenant: tenantId, subject_id: id }) =>
    carried.has(subjectKey({ kind, issuer, tenantId, id })),
  );
}

/** When the last of these bindings ends, in milliseconds since the epoch; where there is none, now. */
export function latestEnd(bindings: readonly LiveBindingRow[], nowMs: number): number {
  return bindings.reduce((latest, { expires_at: end }) => Math.max(latest, endOf(end)), nowMs);
}

/** @param end of a binding; null: never */
export function endOf(end: Date | null): number {
  return end?.getTime() ?? Number.POSITIVE_INFINITY;
}
