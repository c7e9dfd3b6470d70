import type { Static, TSchema } from 'typebox';
import type { Action, AuditDraft, AuditFacts, AuditPart, DecisionRecord } from './audit.ts';
import type { ApiError, ErrorDetails } from './errors.ts';
import type { SecretPath } from './names.ts';
import type { Epochs, Permission, Reach, RuleKind } from './permissions.ts';
import type { Principal, Role, Tenant } from './principal.ts';
import type { Scope } from './scopes.ts';

/** Rate-limit categories (spec 01), each with its own `RATE_LIMIT_<CATEGORY>`. */
export const RATE_CATEGORIES = [
  'SECRETS_READ',
  'SECRETS_WRITE',
  'SECRETS_DELETE',
  'LIST',
  'BATCH_READ',
  'BATCH_METADATA',
  'AUDIT_QUERY',
  'AUDIT_EXPORT',
  'POLICY',
  'POLICY_TEST',
  'PKI_ISSUE',
  'PKI_ADMIN',
  'ACME_ORDER',
  'WEBHOOK',
  'SUBSCRIPTION',
  'SUBSCRIPTION_POLL',
  'FEDERATION',
  'DYNAMIC_GENERATE',
  'DYNAMIC_ADMIN',
  'LEASE',
  'IDENTITY_READ',
  'IDENTITY_SYNC',
  'AUTH',
] as const;
export type RateCategory = (typeof RATE_CATEGORIES)[number];

/**
 * Who may call a route (spec 12, "Every route names its authority"). There is no default: a scope is necessary and
 * never sufficient.
 */
export type Authority =
  /** A rule of the caller's policies for the path in the request target. */
  | { readonly type: 'policy'; readonly kind: Exclude<RuleKind, 'sys'>; readonly permission: Permission }
  /** A role of the tenant, or a rule of kind `sys` for this path. */
  | {
      readonly type: 'role';
      readonly role: Role;
      readonly sys?: { readonly path: string; readonly permission: Permission };
      /** Whether a request is about the caller alone, which needs neither. Its body fits the route's schema. */
      readonly own?: (asked: { readonly principal: Principal; readonly body: unknown }) => boolean;
    }
  /**
   * Paths that are not in the target: of a batch, or whatever a list finds. The handler asks {@link Judge} about each
   * of them and shows only what it allows; `permission` is what it asks for.
   */
  | { readonly type: 'each_path'; readonly kind: Exclude<RuleKind, 'sys'>; readonly permission: Permission }
  /** The caller's own facts. */
  | { readonly type: 'self' };

export interface Reply {
  readonly status: number;
  /** Serialised as JSON; undefined: none. Bytes go out as they are, under the `Content-Type` of the headers. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Completes the audit entry of a read. A change has put its own entry into its transaction. */
  readonly facts?: AuditFacts;
  /** In place of the one entry of a read: one each, stored together. A batch has one a path. */
  readonly parts?: readonly AuditPart[];
  /** It can change while its `ETag`, a version, stays: `If-None-Match` never makes it a 304. */
  readonly changesUnderTag?: true;
  /** How many of the route's {@link Units} were not needed after all; the caller gets them back. */
  readonly unusedUnits?: number;
  /** The types of the secrets whose values the body holds, one each; what is counted as reads of secrets. */
  readonly valuesOf?: readonly string[];
}

declare const committed: unique symbol;
/**
 * The reply of a change whose audit row is in the same committed transaction. Only `AuditService.commit` makes one, so
 * a route that changes something without an audit row does not type-check.
 */
export type Committed<T> = { readonly value: T } & { readonly [committed]: true };

/** Whether the decision that let a request in still stands when its work is done. */
export interface Standing {
  /** Whether it was made under these epochs, which the statement of the work itself has read. */
  holds(epochs: Epochs): boolean;
  /**
   * Decides again under these epochs where it does not hold. Reads the database: not to be called inside a transaction.
   * @throws ApiError `access_denied`
   */
  confirm(epochs: Epochs): Promise<void>;
}

export type Verdict =
  | { readonly allowed: true; readonly decision: DecisionRecord }
  /** `error` is what the caller is told. */
  | { readonly allowed: false; readonly decision: DecisionRecord; readonly error: ApiError };

/**
 * Judges paths beside the one that the pipeline has judged, by the same policies and circumstances. After
 * `standing.confirm()` the answers are those of the newer policies: who has read rows meanwhile asks again.
 */
export interface Judge {
  path(kind: Exclude<RuleKind, 'sys'>, path: SecretPath, permission: Permission): Verdict;
  /** What rules make the caller reach now, for a query that shows no other row. `path` has the last word. */
  reach(kind: Exclude<RuleKind, 'sys'>, permission: Permission): Reach;
}

/** What a handler gets: everything was authenticated, limited, validated and authorised before. */
export interface Call<Query, Body> {
  readonly principal: Principal;
  readonly tenant: Tenant;
  /** Effective roles of the caller in `tenant`; looked up only where they matter, which no read of a secret does. */
  readonly roles: () => Promise<ReadonlySet<Role>>;
  /** Values of the `{name}` segments of the route. */
  readonly params: Readonly<Record<string, string>>;
  /** The path behind a `{path}` route. @throws ApiError when the route has none, a defect. */
  readonly secretPath: () => SecretPath;
  readonly query: Query;
  readonly body: Body;
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
  /** Whether the caller has what goes by this entity tag. A read that answers with it becomes a `304` without a body. */
  readonly knows: (etag: string) => boolean;
  readonly draft: AuditDraft;
  readonly standing: Standing;
  readonly judge: Judge;
}

/**
 * Tokens of another category that a call takes beside the one of its own, together or not at all: a batch of reads
 * takes one of BATCH_READ and as many of SECRETS_READ as it has paths. A call that fails gets them back.
 */
export interface Units<Body> {
  readonly category: RateCategory;
  count(body: Body): number;
}

interface Face {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** `/v1/secrets/{path}`: `{path}` takes the rest of the target, any other `{name}` one segment. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** Schema of the body by status, for OpenAPI. */
  readonly responses: Readonly<Record<number, { readonly description: string; readonly schema: TSchema | null }>>;
}

/** A route without a token. It knows no caller, changes nothing, and the list of them is asserted by a test. */
export interface PublicRoute extends Face {
  readonly effect: 'public';
  readonly method: 'GET';
  run(): Promise<Reply>;
}

interface Descriptor extends Face {
  readonly category: RateCategory | null;
  readonly units?: Units<unknown>;
  readonly scope: Scope | null;
  readonly authority: Authority;
  readonly action: Action;
  readonly query: TSchema;
  readonly body: TSchema | null;
}

/** A read leaves its audit entry to the pipeline, which stores it before the answer. */
export interface ReadRoute extends Descriptor {
  readonly effect: 'read';
  /** An answer leaves no entry (spec 06 names the one such route); a refusal does. */
  readonly audited?: false;
  run(call: Call<unknown, unknown>): Promise<Reply>;
}

export interface ChangeRoute extends Descriptor {
  readonly effect: 'change';
  run(call: Call<unknown, unknown>): Promise<Committed<unknown>>;
  /** The answer to what `run` has committed. Apart from it, so that it can be kept in the same transaction. */
  reply(value: unknown, call: Call<unknown, unknown>): Reply;
  /**
   * For an answer that holds what nobody shall see twice: what names the result, in place of the answer, when the request
   * is repeated under its `Idempotency-Key`. Never a value.
   */
  onceOnly?(value: unknown): ErrorDetails;
}

/** A route that needs a caller. */
export type GuardedRoute = ReadRoute | ChangeRoute;
export type Route = PublicRoute | GuardedRoute;

type BodyOf<B extends TSchema | null> = B extends TSchema ? Static<B> : null;

/** Ties the handler's types to the schemas that validate what it gets. */
export function readRoute<Q extends TSchema, B extends TSchema | null>(
  route: Omit<ReadRoute, 'effect' | 'run' | 'query' | 'body' | 'units'> & {
    readonly query: Q;
    readonly body: B;
    readonly units?: Units<BodyOf<B>>;
    readonly run: (call: Call<Static<Q>, BodyOf<B>>) => Promise<Reply>;
  },
): ReadRoute {
  // The pipeline validates against `query` and `body` before it calls `run`: the one place where that is known.
  return { ...route, effect: 'read', run: (call) => route.run(call as Call<Static<Q>, BodyOf<B>>) };
}

/** As {@link readRoute}, for a change. `reply` gets the very value that the work in `AuditService.commit` returned. */
export function changeRoute<Q extends TSchema, B extends TSchema | null, T>(
  route: Omit<ChangeRoute, 'effect' | 'run' | 'reply' | 'onceOnly' | 'query' | 'body'> & {
    readonly query: Q;
    readonly body: B;
    readonly run: (call: Call<Static<Q>, BodyOf<B>>) => Promise<Committed<T>>;
    readonly reply: (value: T, call: Call<Static<Q>, BodyOf<B>>) => Reply;
    readonly onceOnly?: (value: T) => ErrorDetails;
  },
): ChangeRoute {
  const { onceOnly, ...rest } = route;
  return {
    ...rest,
    ...(onceOnly === undefined ? {} : { onceOnly: (value) => onceOnly(value as T) }),
    effect: 'change',
    run: (call) => route.run(call as Call<Static<Q>, BodyOf<B>>),
    reply: (value, call) => route.reply(value as T, call as Call<Static<Q>, BodyOf<B>>),
  };
}
