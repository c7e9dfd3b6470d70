/** Scopes of a token (spec 00). A token's scopes are intersected with the caller's policies: both must allow. */
export const SCOPES = [
  'secrets:read',
  'secrets:write',
  'secrets:delete',
  'secrets:list',
  'secrets:rotate',
  'policies:read',
  'policies:write',
  'audit:read',
  'audit:export',
  'pki:issue',
  'pki:admin',
  'dynamic:read',
  'dynamic:manage',
  'federation:read',
  'federation:write',
  'subscriptions:read',
  'subscriptions:write',
  'identity:read',
  'identity:admin',
  'admin',
] as const;

export type Scope = (typeof SCOPES)[number];

const KNOWN: ReadonlySet<string> = new Set(SCOPES);

export function isScope(text: string): text is Scope {
  return KNOWN.has(text);
}

/** `admin` implies every other scope, and nothing in policy. */
export function hasScope(held: ReadonlySet<Scope>, needed: Scope): boolean {
  return held.has(needed) || held.has('admin');
}
