/** What a policy rule can permit on a path (spec 00). `admin` is all of them on the matching paths. */
export const PERMISSIONS = ['read', 'write', 'delete', 'list', 'rotate', 'admin'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** A rule matches only requests of its own kind (spec 12, "Rules have a kind"). */
export const RULE_KINDS = ['secret', 'partner_secret', 'dynamic', 'pki', 'sys'] as const;
export type RuleKind = (typeof RULE_KINDS)[number];

/** Counts a tenant's changes; a decision made under other numbers than the database's is made again. */
export interface Epochs {
  /** Policies and bindings. */
  readonly policy: number;
  /** Roles, memberships, suspensions. */
  readonly subject: number;
}

/** One step of a pattern whose templates are filled in. Everything but `gap` takes exactly one segment. */
export type PatternStep =
  | { readonly type: 'literal'; readonly text: string }
  /** Any segment. */
  | { readonly type: 'any' }
  /** A segment with `*` (any characters, also none) and `?` (one character) in it. */
  | { readonly type: 'wildcard'; readonly text: string }
  /** Any number of segments, also none. */
  | { readonly type: 'gap' };
export type PathPattern = readonly PatternStep[];

/** The paths that some allow pattern matches and no deny pattern does. */
export interface Reach {
  readonly allow: readonly PathPattern[];
  readonly deny: readonly PathPattern[];
}
