import Type, { type Static } from 'typebox';
import { CursorText, LimitText, Nullable, StoredText, Timestamp } from '../../contract/schemas.ts';
import { Metadata } from '../schemas.ts';
import { SECRET_TYPES } from '../types.ts';

export const ListQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String({ description: 'a plain string prefix: app finds app/x and app2/x' })),
    delimiter: Type.Optional(Type.Enum(['/'], { description: 'shows what lies in folders as the folder only' })),
    tag: Type.Optional(StoredText(1, 128)),
    type: Type.Optional(Type.String({ description: SECRET_TYPES.join(', ') })),
    owner: Type.Optional(StoredText(1, 256)),
    q: Type.Optional(
      Type.String({
        // No control characters, so that a search never goes over the end of a field.
        pattern: '^[^\\u0000-\\u001F\\u007F\\uD800-\\uDFFF]*$',
        minLength: 2,
        maxLength: 128,
        description: 'part of the path, the description or a tag, in any case',
      }),
    ),
    expiring_within: Type.Optional(
      Type.String({ description: 'expires within this time, or has expired', examples: ['30d'] }),
    ),
    deleted: Type.Optional(Type.Enum(['true', 'false'], { description: 'true: deleted ones that can be recovered' })),
    limit: Type.Optional(LimitText),
    cursor: Type.Optional(CursorText),
  },
  { additionalProperties: false },
);
export type ListQuery = Static<typeof ListQuery>;

const ListedSecret = Type.Object({
  path: Type.String(),
  secret_type: Type.Enum([...SECRET_TYPES]),
  current_version: Type.Integer(),
  metadata: Metadata,
  created_at: Timestamp,
  updated_at: Timestamp,
  expires_at: Nullable(Timestamp),
  last_accessed_at: Nullable(Timestamp),
  deleted_at: Nullable(Timestamp),
  recoverable_until: Nullable(Timestamp),
});

export const ListBody = Type.Object({
  secrets: Type.Array(ListedSecret),
  prefixes: Type.Array(Type.String(), { description: 'folders that hold something to list, with their slash' }),
  cursor: Nullable(Type.String()),
  has_more: Type.Boolean(),
});
