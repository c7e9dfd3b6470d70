/** What a change needs beyond the authority of its route (spec 12, "Writing is not destroying"). */
import { ApiError } from '../contract/errors.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Permission } from '../contract/permissions.ts';
import { holdsRole } from '../contract/principal.ts';
import { hasScope } from '../contract/scopes.ts';
import type { ChangeAsking } from './asking.ts';

/** The refusal of the policies, which says in addition what was missing and for what. */
function lacking(asking: ChangeAsking, path: SecretPath, permission: Permission, why: string): ApiError | null {
  const verdict = asking.judge.path('secret', path, permission);
  if (verdict.allowed) return null;
  const { error } = verdict;
  return new ApiError(error.code, {
    message: `${why} ${error.message}`,
    details: { ...error.details, permission },
    cause: error,
  });
}

/**
 * Making versions unreadable, which a writer must not do in passing. Judged by the policies that the request was last
 * judged by: call it once they are known to be the present ones.
 * @throws ApiError `insufficient_scope`, `access_denied`
 */
export function requireDelete(asking: ChangeAsking, path: SecretPath, what: string): void {
  if (!hasScope(asking.principal.scopes, 'secrets:delete')) {
    throw new ApiError('insufficient_scope', {
      message: `${what} needs the scope secrets:delete too. Ask your identity provider for a token that has it.`,
      details: { scope: 'secrets:delete' },
    });
  }
  const refusal = lacking(asking, path, 'delete', `${what} needs the permission delete on this path too.`);
  if (refusal !== null) throw refusal;
}

/**
 * Destroying, where DESTROY_PROTECTION is on: `admin` on the path, or the role. May read the database.
 * @throws ApiError `access_denied`
 */
export async function requireDestroy(asking: ChangeAsking, path: SecretPath): Promise<void> {
  const why =
    'Destroying needs the permission admin on this path or the role tenant_admin, because DESTROY_PROTECTION is on.';
  const refusal = lacking(asking, path, 'admin', why);
  if (refusal !== null && !holdsRole(await asking.roles(), 'tenant_admin')) throw refusal;
}
