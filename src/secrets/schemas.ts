import Type, { type Static } from 'typebox';
import { Nullable, StoredName, StoredText, Timestamp } from '../contract/schemas.ts';
import { SECRET_TYPES } from './types.ts';

/** The column's, and more than any secret will have. */
export const MAX_VERSION = 2_147_483_647;

export const VersionQuery = Type.Object(
  {
    version: Type.Optional(
      Type.String({ pattern: '^[1-9]\\d{0,9}$', description: 'a version number; the current one when left out' }),
    ),
  },
  { additionalProperties: false },
);

/** The value: any JSON object. Member names are free, `__proto__` included. */
export const SecretData = Type.Record(Type.String(), Type.Unknown(), {
  description: 'the value, a JSON object',
  examples: [{ username: 'app', password: '...' }],
});

export const MetadataInput = Type.Object(
  {
    description: Type.Optional(StoredText(0, 1024)),
    tags: Type.Optional(Type.Array(StoredText(1, 128), { maxItems: 64, uniqueItems: true })),
    owner: Type.Optional(StoredText(0, 256)),
    custom: Type.Optional(
      Type.Record(StoredName(128), Type.Unknown(), { additionalProperties: false, maxProperties: 64 }),
    ),
  },
  { additionalProperties: false, description: 'not secret, searchable; members left out keep their former value' },
);

export const PutBody = Type.Object(
  {
    data: SecretData,
    secret_type: Type.Optional(Type.String({ description: SECRET_TYPES.join(', '), examples: ['kv'] })),
    metadata: Type.Optional(MetadataInput),
    options: Type.Optional(
      Type.Object(
        {
          cas: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: MAX_VERSION,
              description: 'the version you expect to replace; 0: the path must be free',
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type PutBody = Static<typeof PutBody>;

const Metadata = Type.Object({
  description: Type.String(),
  tags: Type.Array(Type.String()),
  owner: Type.String(),
  custom: Type.Record(Type.String(), Type.Unknown()),
});

const common = {
  path: Type.String(),
  secret_type: Type.Enum([...SECRET_TYPES]),
  version: Type.Integer(),
  metadata: Metadata,
  created_at: Timestamp,
  updated_at: Timestamp,
  expires_at: Nullable(Timestamp),
  last_accessed_at: Nullable(Timestamp),
  rotation_policy_id: Nullable(Type.String()),
  secret_policy_id: Nullable(Type.String()),
};

export const SecretBody = Type.Object({ ...common, data: SecretData });
export const WrittenBody = Type.Object({ ...common, created: Type.Boolean() });
