import Type, { type Static } from 'typebox';
import { PERMISSIONS, RULE_KINDS } from '../contract/permissions.ts';
import { CursorText, LimitText, Nullable, StoredText, Timestamp } from '../contract/schemas.ts';
import { ConditionsInput } from './conditions/schema.ts';
import { MAX_GLOB_LENGTH } from './glob.ts';

/** Rules a policy; docs/policies.md, "Limits". */
export const MAX_RULES_A_POLICY = 1_000;
const MAX_DESCRIPTION = 1_024;
const MAX_IDENTITY_ID = 512;
/** The column's. */
export const MAX_VERSION = 2_147_483_647;

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
    permissions: Type.Array(Permissions, { minItems: 1, maxItems: PERMISSIONS.length, uniqueItems: true }),
    effect: Type.Optional(Effect),
    kind: Type.Optional(Kind),
    conditions: Type.Optional(ConditionsInput),
  },
  closed,
);

const Name = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'a-z, 0-9, ".", "_", "-"; unique in the tenant.',
});
const Scope = Type.Optional(Type.Literal('tenant'));
const Rules = Type.Array(RuleInput, { minItems: 1, maxItems: MAX_RULES_A_POLICY });
const Settings = {
  description: Type.Optional(StoredText(0, MAX_DESCRIPTION)),
  is_active: Type.Optional(Type.Boolean()),
};

export const PolicyInput = Type.Object({ name: Name, scope: Scope, rules: Rules, ...Settings }, closed);
export type PolicyInput = Static<typeof PolicyInput>;

export const PolicyPatchInput = Type.Object(
  { name: Type.Optional(Name), scope: Scope, rules: Type.Optional(Rules), ...Settings },
  { ...closed, minProperties: 1, description: 'What is left out stays. `rules` are replaced as a whole.' },
);
export type PolicyPatchInput = Static<typeof PolicyPatchInput>;

export const RollbackInput = Type.Object(
  { version: Type.Integer({ minimum: 1, maximum: MAX_VERSION, description: 'of the history' }) },
  closed,
);

export const DeleteQuery = Type.Object(
  { force: Type.Optional(Type.Enum(['true', 'false'], { description: 'removes the bindings too' })) },
  closed,
);

const page = { limit: Type.Optional(LimitText), cursor: Type.Optional(CursorText) };
export const PageQuery = Type.Object(page, closed);
export type PageQuery = Static<typeof PageQuery>;

export const PoliciesQuery = Type.Object(
  {
    q: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'part of the name or of the description' }),
    ),
    is_active: Type.Optional(Type.Enum(['true', 'false'])),
    ...page,
  },
  closed,
);
export type PoliciesQuery = Static<typeof PoliciesQuery>;

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
  conditions: Type.Optional(ConditionsInput),
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

/** The answer of PUT, which says like every other one whether it made something. */
export const ReplacedPolicyBody = Type.Object({ ...PolicyBody.properties, created: Type.Literal(false) });

const pageOf = { cursor: Nullable(Type.String()), has_more: Type.Boolean() };

export const PoliciesBody = Type.Object({
  policies: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      rule_count: Type.Integer(),
      binding_count: Type.Integer({ description: 'of those that have not expired' }),
      is_active: Type.Boolean(),
      created_at: Timestamp,
      updated_at: Timestamp,
    }),
  ),
  ...pageOf,
});

export const HistoryBody = Type.Object({
  versions: Type.Array(
    Type.Object({
      version: Type.Integer(),
      change: Type.Enum(['created', 'updated', 'rolled_back', 'deleted']),
      from_version: Nullable(Type.Integer({ description: 'the version that a rollback went back to' })),
      name: Type.String(),
      description: Type.String(),
      is_active: Type.Boolean(),
      rules: Type.Array(Rule),
      changed_by: Type.String(),
      changed_at: Timestamp,
    }),
  ),
  ...pageOf,
});

export const BindingBody = Type.Object({
  id: Type.String(),
  policy_id: Type.String(),
  identity_type: IdentityType,
  identity_id: Type.String({ description: 'As it was asked for. What counts is `subject`.' }),
  subject: Type.Object({ issuer: Type.String(), tenant_id: Type.String(), id: Type.String() }),
  expires_at: Nullable(Timestamp),
  expired: Type.Boolean({ description: 'it counts for nobody any more' }),
  created_at: Timestamp,
});

export const BindingsBody = Type.Object({ bindings: Type.Array(BindingBody), ...pageOf });
