import type { Static, TSchema } from 'typebox';
import type { Action, AuditDraft, AuditFacts, AuditPart, DecisionRecord } from './audit.ts';
import type { ApiError } from './errors.ts';
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
  /** Serialised as JSON; undefined for 204. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Completes the audit entry of a read. A change has put its own entry into its transaction. */
  readonly facts?: AuditFacts;
  /** In place of the one entry of a read: one each, stored together. A batch has one a path. */
  readonly parts?: readonly AuditPart[];
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
  readonly draft: AuditDraft;
  readonly standing: Standing;
  readonly judge: Judge;
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
  readonly scope: Scope | null;
  readonly authority: Authority;
  readonly action: Action;
  readonly query: TSchema;
  readonly body: TSchema | null;
}

/** A read leaves its audit entry to the pipeline, which stores it before the answer. */
export interface ReadRoute extends Descriptor {
  readonly effect: 'read';
  run(call: Call<unknown, unknown>): Promise<Reply>;
}

export interface ChangeRoute extends Descriptor {
  readonly effect: 'change';
  run(call: Call<unknown, unknown>): Promise<Committed<unknown>>;
  /** The answer to what `run` has committed. Apart from it, so that it can be kept in the same transaction. */
  reply(value: unknown, call: Call<unknown, unknown>): Reply;
}

/** A route that needs a caller. */
export type GuardedRoute = ReadRoute | ChangeRoute;
export type Route = PublicRoute | GuardedRoute;

type BodyOf<B extends TSchema | null> = B extends TSchema ? Static<B> : null;

/** Ties the handler's types to the schemas that validate what it gets. */
export function readRoute<Q extends TSchema, B extends TSchema | null>(
  route: Omit<ReadRoute, 'effect' | 'run' | 'query' | 'body'> & {
    readonly query: Q;
    readonly body: B;
    readonly run: (call: Call<Static<Q>, BodyOf<B>>) => Promise<Reply>;
  },
): ReadRoute {
  // The pipeline validates against `query` and `body` before it calls `run`: the one place where that is known.
  return { ...route, effect: 'read', run: (call) => route.run(call as Call<Static<Q>, BodyOf<B>>) };
}

/** As {@link readRoute}, for a change. `reply` gets the very value that the work in `AuditService.commit` returned. */
export function changeRoute<Q extends TSchema, B extends TSchema | null, T>(
  route: Omit<ChangeRoute, 'effect' | 'run' | 'reply' | 'query' | 'body'> & {
    readonly query: Q;
    readonly body: B;
    readonly run: (call: Call<Static<Q>, BodyOf<B>>) => Promise<Committed<T>>;
    readonly reply: (value: T, call: Call<Static<Q>, BodyOf<B>>) => Reply;
  },
): ChangeRoute {
  return {
    ...route,
    effect: 'change',
    run: (call) => route.run(call as Call<Static<Q>, BodyOf<B>>),
    reply: (value, call) => route.reply(value as T, call as Call<Static<Q>, BodyOf<B>>),
  };
}
