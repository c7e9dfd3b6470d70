import Type, { type Static } from 'typebox';
import { PERMISSIONS, RULE_KINDS } from '../contract/permissions.ts';
import { Nullable, StoredText, Timestamp } from '../contract/schemas.ts';
import { MAX_GLOB_LENGTH } from './glob.ts';

/** Rules a policy; docs/policies.md, "Limits". */
export const MAX_RULES_A_POLICY = 1_000;
const MAX_DESCRIPTION = 1_024;
const MAX_IDENTITY_ID = 512;

const closed = { additionalProperties: false } as const;

const Permissions = Type.Enum([...PERMISSIONS]);
const Kind = Type.Enum([...RULE_KINDS]);
const Effect = Type.Enum(['allow', 'deny']);
const IdentityType = Type.Enum(['user', 'service_account', 'group']);

const RuleInput = Type.Object(
  {
    path_pattern: Type.String({
      // What is too long for a pattern is `invalid_glob`; what is far too long is not looked at.
      maxLength: 4 * MAX_GLOB_LENGTH,
      description: 'A glob, anchored at both ends: app/*/db, team-?/**, home/{{identity.key}}/*.',
    }),
    permissions: Type.Array(Permissions, { minItems: 1, uniqueItems: true }),
    effect: Type.Optional(Effect),
    kind: Type.Optional(Kind),
  },
  closed,
);

export const PolicyInput = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128, description: 'a-z, 0-9, ".", "_", "-"; unique in the tenant.' }),
    description: Type.Optional(StoredText(0, MAX_DESCRIPTION)),
    scope: Type.Optional(Type.Literal('tenant')),
    is_active: Type.Optional(Type.Boolean()),
    rules: Type.Array(RuleInput, { minItems: 1, maxItems: MAX_RULES_A_POLICY }),
  },
  closed,
);
export type PolicyInput = Static<typeof PolicyInput>;

export const BindingInput = Type.Object(
  {
    identity_type: IdentityType,
    identity_id: Type.String({
      minLength: 1,
      maxLength: MAX_IDENTITY_ID,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
      description: 'user:<e-mail or sub>, usr_..., sa:<client id>, group:<id> or grp_...',
    }),
    expires_at: Type.Optional(Nullable(Timestamp)),
  },
  closed,
);
export type BindingInput = Static<typeof BindingInput>;

const Rule = Type.Object({
  path_pattern: Type.String(),
  permissions: Type.Array(Permissions),
  effect: Effect,
  kind: Kind,
});

export const PolicyBody = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  scope: Type.Enum(['tenant', 'partner']),
  is_active: Type.Boolean(),
  version: Type.Integer(),
  rules: Type.Array(Rule),
  created_at: Timestamp,
  updated_at: Timestamp,
  warnings: Type.Array(Type.Object({ rule_index: Type.Integer(), message: Type.String() })),
});

export const BindingBody = Type.Object({
  id: Type.String(),
  policy_id: Type.String(),
  identity_type: IdentityType,
  identity_id: Type.String({ description: 'As it was asked for. What counts is `subject`.' }),
  subject: Type.Object({ issuer: Type.String(), tenant_id: Type.String(), id: Type.String() }),
  expires_at: Nullable(Timestamp),
  created_at: Timestamp,
});
