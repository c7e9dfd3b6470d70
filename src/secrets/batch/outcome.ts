import type { AuditPart, DecisionRecord } from '../../contract/audit.ts';
import { ApiError } from '../../contract/errors.ts';
import type { SecretPath } from '../../contract/names.ts';
import type { Epochs, Permission } from '../../contract/permissions.ts';
import type { Tenant } from '../../contract/principal.ts';
import { RefusedInParts } from '../../contract/refusal.ts';
import type { Judge, Standing, Verdict } from '../../contract/route.ts';
import { newId } from '../../lib/ids.ts';

/** A request's part in a batch: where, and what its policies allow. */
export interface BatchAsking {
  readonly tenant: Tenant;
  readonly standing: Standing;
  readonly judge: Judge;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  /** What a request for this path alone would be told. */
  | { readonly ok: false; readonly error: ApiError };

/** What became of one path of a batch. */
export interface Outcome<T> {
  readonly path: SecretPath;
  /** Of its audit entry; a refusal names it. */
  readonly id: string;
  readonly decision: DecisionRecord;
  readonly result: Result<T>;
}

/** What the one statement has found. `at` throws the ApiError of a path where there is nothing to give. */
export interface LookedUp<T> {
  readonly epochs: Epochs;
  at(path: SecretPath): T;
}

/**
 * Judges each path alone, before any is looked up, and those that were looked up once more by the policies that the
 * statement has confirmed. The statement is made whatever is allowed: what is refused and what is not there look alike.
 */
export async function eachPath<T>(
  { judge, standing }: BatchAsking,
  permission: Permission,
  paths: readonly SecretPath[],
  lookUp: (allowed: readonly SecretPath[]) => Promise<LookedUp<T>>,
): Promise<readonly Outcome<T>[]> {
  const before = paths.map((path) => ({ path, verdict: judge.path('secret', path, permission) }));
  const found = await lookUp(before.flatMap(({ path, verdict }) => (verdict.allowed ? [path] : [])));
  await standing.confirm(found.epochs);
  return before.map(({ path, verdict }) => {
    const last = verdict.allowed ? judge.path('secret', path, permission) : verdict;
    const id = newId('log');
    return { path, id, decision: last.decision, result: resultOf(last, id, () => found.at(path)) };
  });
}

function resultOf<T>(verdict: Verdict, id: string, look: () => T): Result<T> {
  if (!verdict.allowed) return { ok: false, error: naming(id, verdict.error) };
  try {
    return { ok: true, value: look() };
  } catch (error) {
    if (error instanceof ApiError) return { ok: false, error };
    throw error;
  }
}

/** A refusal names the entry of its own path, not that of the whole request. */
function naming(id: string, { code, message, details }: ApiError): ApiError {
  return new ApiError(code, { message, details: { ...details, decision_id: id } });
}

/** One audit entry a path. */
export function partOf<T>({ path, id, decision, result }: Outcome<T>, version: number | null = null): AuditPart {
  const facts = { secretPath: path, version };
  return {
    id,
    decision,
    result: result.ok ? { success: true, facts } : { success: false, errorCode: result.error.code, facts },
  };
}

/** Refuses everything for one reason: nobody has got anything, and each path that was asked for is on record. */
export function refuseAll<T>(outcomes: readonly Outcome<T>[], error: ApiError): RefusedInParts {
  const parts = outcomes.map(({ path, id, decision, result }): AuditPart => {
    const errorCode = result.ok ? error.code : result.error.code;
    const extra = { whole_batch_refused: error.code };
    return { id, decision, result: { success: false, errorCode, facts: { secretPath: path, extra } } };
  });
  return new RefusedInParts(error, parts);
}

/** The failures as the answer shows them. Any path may be a name of it, `__proto__` and `constructor` too. */
export function errorsOf<T>(outcomes: readonly Outcome<T>[]): Record<string, object> {
  const errors: Record<string, object> = Object.create(null);
  for (const { path, result } of outcomes) {
    if (result.ok) continue;
    const { code, message, details } = result.error;
    errors[path] = { code, message, ...(details === undefined ? {} : { details }) };
  }
  return errors;
}
