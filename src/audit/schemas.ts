import Type, { type Static } from 'typebox';
import { ACTIONS } from '../contract/audit.ts';
import { CursorText, LimitText, Nullable, Timestamp } from '../contract/schemas.ts';

const InstantText = Type.String({
  pattern: '^(?!0000)\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,6})?Z$',
  description: 'ISO 8601 UTC with Z',
  examples: ['2026-11-23T12:00:00Z'],
});

export const LogsQuery = Type.Object(
  {
    from: Type.Optional(InstantText),
    to: Type.Optional(InstantText),
    action: Type.Optional(
      Type.String({ pattern: '^[a-z_]+(?:,[a-z_]+){0,31}$', description: `comma list of ${ACTIONS.join(', ')}` }),
    ),
    identity_id: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    identity_type: Type.Optional(Type.Enum(['user', 'service_account', 'group', 'system'])),
    path_prefix: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'a plain string prefix' })),
    success: Type.Optional(Type.Enum(['true', 'false'])),
    source_ip: Type.Optional(Type.String({ minLength: 2, maxLength: 64 })),
    request_id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$' })),
    limit: Type.Optional(LimitText),
    cursor: Type.Optional(CursorText),
  },
  { additionalProperties: false },
);
export type LogsQuery = Static<typeof LogsQuery>;

const Entry = Type.Object({
  id: Type.String(),
  timestamp: Timestamp,
  tenant_id: Type.String(),
  partner_id: Nullable(Type.String()),
  action: Type.String(),
  secret_path: Nullable(Type.String()),
  resource: Nullable(Type.String()),
  identity_type: Nullable(Type.String()),
  identity_id: Nullable(Type.String()),
  on_behalf_of: Nullable(Type.String()),
  source_ip: Nullable(Type.String()),
  user_agent: Nullable(Type.String()),
  success: Type.Boolean(),
  error_code: Nullable(Type.String()),
  duration_ms: Type.Number(),
  request_id: Nullable(Type.String()),
  version: Nullable(Type.Integer()),
  decision: Nullable(Type.Record(Type.String(), Type.Unknown())),
  extra_data: Type.Record(Type.String(), Type.Unknown()),
  instance_id: Type.String(),
});

export const LogsBody = Type.Object({
  logs: Type.Array(Entry),
  cursor: Nullable(Type.String()),
  has_more: Type.Boolean(),
});
