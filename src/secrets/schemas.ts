import Type, { type Static } from 'typebox';
import { CursorText, LimitText, Nullable, StoredName, StoredText, Timestamp } from '../contract/schemas.ts';
import { SECRET_TYPES, VERSION_STATES } from './types.ts';

/** The column's, and more than any secret will have. */
export const MAX_VERSION = 2_147_483_647;
/** What a write may have to count. More than that: 0, all of them. */
export const MAX_MAX_VERSIONS = 10_000;
const MAX_VERSIONS_DESTROYED = 100;

const closed = { additionalProperties: false } as const;

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

const Options = Type.Object(
  {
    cas: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_VERSION,
        description: 'the version you expect to replace; 0: the path must be free',
      }),
    ),
    max_versions: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_MAX_VERSIONS,
        description: 'newest versions that stay readable, 10 at first; 0: all of them',
      }),
    ),
    expires_in: Type.Optional(Type.String({ maxLength: 64, description: 'a duration from now', examples: ['90d'] })),
    expires_at: Type.Optional(
      Nullable(Type.String({ maxLength: 64, description: 'ISO 8601 UTC with Z', examples: ['2027-01-31T12:00:00Z'] })),
    ),
  },
  { ...closed, description: 'options left out keep their former value; an expiry that has passed does not' },
);
export type Options = Static<typeof Options>;

const SecretTypeInput = Type.String({ description: SECRET_TYPES.join(', '), examples: ['kv'] });

export const PutBody = Type.Object(
  {
    data: SecretData,
    secret_type: Type.Optional(SecretTypeInput),
    metadata: Type.Optional(MetadataInput),
    options: Type.Optional(Options),
  },
  closed,
);

export const PatchBody = Type.Object(
  {
    data: Type.Record(Type.String(), Type.Unknown(), {
      description: 'a JSON merge patch (RFC 7396) of the value: null takes a member away',
      examples: [{ password: '...', legacy: null }],
    }),
    secret_type: Type.Optional(SecretTypeInput),
    metadata: Type.Optional(MetadataInput),
    options: Type.Optional(Options),
  },
  closed,
);

export const MetadataPatchBody = Type.Object(
  { metadata: Type.Optional(MetadataInput), options: Type.Optional(Options) },
  { ...closed, minProperties: 1 },
);

export const DeleteQuery = Type.Object(
  {
    permanent: Type.Optional(
      Type.Enum(['true', 'false'], {
        description: 'true: destroy all versions at once; false, the default: recoverable',
      }),
    ),
  },
  closed,
);

const VersionInput = Type.Integer({ minimum: 1, maximum: MAX_VERSION });

export const DestroyBody = Type.Object(
  {
    versions: Type.Array(VersionInput, { minItems: 1, maxItems: MAX_VERSIONS_DESTROYED, uniqueItems: true }),
  },
  closed,
);

export const RollbackBody = Type.Object({ version: VersionInput }, closed);

export const HistoryQuery = Type.Object({ limit: Type.Optional(LimitText), cursor: Type.Optional(CursorText) }, closed);

export const Metadata = Type.Object({
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

const { version: _, ...withoutVersion } = common;
export const StateBody = Type.Object({
  ...withoutVersion,
  current_version: Type.Integer(),
  version_count: Type.Integer({ description: 'versions that max_versions has kept' }),
  options: Type.Object({ max_versions: Type.Integer() }),
  deleted_at: Nullable(Timestamp),
  recoverable_until: Nullable(Timestamp),
});

export const HistoryBody = Type.Object({
  path: Type.String(),
  current_version: Type.Integer(),
  versions: Type.Array(
    Type.Object({
      version: Type.Integer(),
      created_at: Timestamp,
      created_by: Type.String(),
      created_from: Nullable(Type.Integer({ description: 'the version that this one is a copy of' })),
      state: Type.Enum([...VERSION_STATES]),
      readable: Type.Boolean(),
      readable_until: Nullable(Timestamp),
    }),
  ),
  cursor: Nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const DeletedBody = Type.Object({
  path: Type.String(),
  permanent: Type.Boolean(),
  version_count: Type.Integer(),
  recoverable_until: Nullable(Timestamp),
  unrecoverable_after: Nullable(Timestamp),
});

export const DestroyedBody = Type.Object({
  path: Type.String(),
  current_version: Type.Integer(),
  versions_destroyed: Type.Array(Type.Integer()),
  unrecoverable_after: Nullable(Timestamp),
});
