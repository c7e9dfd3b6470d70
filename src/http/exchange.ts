import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AuditDraft } from '../contract/audit.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Principal, Role, Tenant } from '../contract/principal.ts';
import type { GuardedRoute, Judge, RateCategory, Reply, Standing } from '../contract/route.ts';
import type { TokenHolder } from '../identity/service.ts';
import type { Limited as Bucket } from '../ratelimit/service.ts';
import type { RequestTarget } from './request-target.ts';
import type { Match } from './router.ts';
import type { SourceAddress } from './source-address.ts';

/** What is known of a request after each stage of the pipeline. A stage adds; it changes nothing. */
export interface Received {
  readonly requestId: string;
  /** Microseconds since the epoch. */
  readonly startedMicros: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly source: SourceAddress;
}

export interface Routed extends Received {
  readonly target: RequestTarget;
  readonly match: Match;
}

/** A request whose route needs a caller. */
export interface Guarded extends Routed {
  readonly route: GuardedRoute;
}

export interface Authenticated extends Guarded {
  readonly holder: TokenHolder;
}

export interface Tenanted extends Authenticated {
  readonly principal: Principal;
  readonly tenant: Tenant;
  readonly draft: AuditDraft;
}

export interface Limited extends Tenanted {
  /** Null where the category has no limit. */
  readonly bucket: Bucket | null;
  /** What was taken by the route's `units`; null until then, and where it has none. */
  readonly units: { readonly category: RateCategory; readonly n: number } | null;
}

export interface Parsed extends Limited {
  readonly secretPath: SecretPath | null;
  readonly query: unknown;
  readonly body: unknown;
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
  readonly idempotencyKey: string | null;
}

export interface RecordedStanding extends Standing {
  /** The audit entry with the decision that counts: made again, it is another one. */
  readonly draft: AuditDraft;
}

export interface Authorised extends Parsed {
  readonly roles: () => Promise<ReadonlySet<Role>>;
  readonly standing: RecordedStanding;
  readonly judge: Judge;
}

export interface Executed extends Authorised {
  readonly reply: Reply;
  /** Whether the reply is that of an earlier request: nothing was done now. */
  readonly replayed: boolean;
}

/** How far a request has come when it fails. */
export type Reached = Received & Partial<Executed>;
