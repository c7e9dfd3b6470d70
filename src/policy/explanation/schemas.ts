import Type, { type Static } from 'typebox';
import { PERMISSIONS, RULE_KINDS } from '../../contract/permissions.ts';
import { Nullable, Timestamp } from '../../contract/schemas.ts';

const closed = { additionalProperties: false } as const;

const IdentityText = Type.String({ minLength: 1, maxLength: 512, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });

const Context = Type.Object(
  {
    source_ip: Type.Optional(Nullable(Type.String({ maxLength: 64, description: 'null: unknown' }))),
    mfa_verified: Type.Optional(Type.Boolean({ description: 'a second factor at the moment asked about' })),
    timestamp: Type.Optional(Timestamp),
    groups: Type.Optional(
      Type.Array(IdentityText, {
        maxItems: 500,
        uniqueItems: true,
        description: 'As a token would name them. Only a token says which groups somebody is in.',
      }),
    ),
  },
  closed,
);

export const PolicyTestInput = Type.Object(
  {
    identity_id: IdentityText,
    path: Type.String({ maxLength: 4096 }),
    permission: Type.Enum([...PERMISSIONS]),
    kind: Type.Optional(Type.Enum([...RULE_KINDS])),
    context: Type.Optional(Context),
  },
  closed,
);
export type PolicyTestInput = Static<typeof PolicyTestInput>;

const Evaluated = Type.Object({
  policy_id: Type.String(),
  name: Type.String(),
  binding: Type.Object({
    id: Type.String(),
    identity_type: Type.Enum(['user', 'service_account', 'group']),
    identity_id: Type.String(),
    expires_at: Nullable(Timestamp),
  }),
  rules: Type.Array(
    Type.Object({
      index: Type.Integer(),
      pattern: Type.String(),
      matched: Type.Boolean(),
      permission_granted: Type.Boolean(),
      failed_condition: Nullable(Type.String()),
    }),
  ),
});

export const PolicyTestBody = Type.Object({
  allowed: Type.Boolean(),
  decided_by: Nullable(Type.Object({ policy_id: Type.String(), rule_index: Type.Integer() })),
  reason: Type.String({ description: 'allowed_by_rule, denied_by_rule, no_matching_rule, or what a request is told' }),
  evaluated: Type.Array(Evaluated),
  warnings: Type.Array(Type.Object({ policy_id: Type.String(), rule_index: Type.Integer(), message: Type.String() })),
});
