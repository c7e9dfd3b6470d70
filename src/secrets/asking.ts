import type { AuditDraft } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { Epochs } from '../contract/permissions.ts';
import type { Principal, Role, Tenant } from '../contract/principal.ts';
import type { Judge, Standing } from '../contract/route.ts';

/** A request's part in a use case: who asks, where, and whether its permission still stands. */
export interface Asking {
  readonly tenant: Tenant;
  readonly draft: AuditDraft;
  readonly standing: Standing;
}

/** A change that may need more than the authority of its route. */
export interface ChangeAsking extends Asking {
  readonly principal: Principal;
  readonly judge: Judge;
  readonly roles: () => Promise<ReadonlySet<Role>>;
}

/** Something that was looked up before the transaction was not so any more inside it. */
export class Outdated extends Error {
  override readonly name = 'Outdated';
  /** Brings it up to date, outside the transaction. */
  readonly refresh: () => unknown;

  constructor(refresh: () => unknown) {
    super('looked up before the transaction, changed since');
    this.refresh = refresh;
  }
}

const TRIES = 5;

function changesTooFast(cause: Outdated): ApiError {
  return new ApiError('service_unavailable', {
    message: 'Policies, keys or this secret change too fast at the moment. Nothing was done; try again shortly.',
    retryAfter: 1,
    cause,
  });
}

/** Tries again after {@link Outdated}. @throws ApiError `service_unavailable` when it stays so */
export async function untilFresh<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Outdated)) throw error;
      await error.refresh();
      if (tries === TRIES) throw changesTooFast(error);
    }
  }
}

/** @throws Outdated when the decision was made under other epochs than the transaction sees */
export function requireStanding({ standing }: Asking, epochs: Epochs): void {
  if (!standing.holds(epochs)) throw new Outdated(() => standing.confirm(epochs));
}
