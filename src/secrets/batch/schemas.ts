import Type from 'typebox';
import { Nullable, Timestamp } from '../../contract/schemas.ts';
import { MAX_VERSION, Metadata, SecretData, StateBody } from '../schemas.ts';
import { SECRET_TYPES } from '../types.ts';

export const MAX_PATHS = 100;

const closed = { additionalProperties: false };
const Paths = Type.Array(Type.String(), {
  minItems: 1,
  maxItems: MAX_PATHS,
  uniqueItems: true,
  examples: [['app/db', 'app/queue']],
});

export const BatchReadBody = Type.Object(
  {
    paths: Paths,
    options: Type.Optional(
      Type.Object(
        {
          include_metadata: Type.Optional(Type.Boolean()),
          fail_fast: Type.Optional(
            Type.Boolean({ description: 'the first path that fails, in the order given, refuses all of them' }),
          ),
          version: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: MAX_VERSION,
              description: 'of every path; the current one if left out',
            }),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

export const BatchMetadataBody = Type.Object(
  {
    paths: Paths,
    expand_wildcards: Type.Optional(
      Type.Boolean({ description: 'a path may be prefix/* (what lies right there) or prefix/** (all below it)' }),
    ),
  },
  closed,
);

const Errors = Type.Record(
  Type.String(),
  Type.Object({
    code: Type.String(),
    message: Type.String(),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  }),
  { description: 'by path: what a request for it alone would be told' },
);

export const BatchReadAnswer = Type.Object({
  secrets: Type.Record(
    Type.String(),
    Type.Object({
      data: SecretData,
      version: Type.Integer(),
      secret_type: Type.Enum([...SECRET_TYPES]),
      metadata: Type.Optional(Metadata),
      created_at: Type.Optional(Timestamp),
      updated_at: Type.Optional(Timestamp),
      expires_at: Type.Optional(Nullable(Timestamp)),
      last_accessed_at: Type.Optional(Nullable(Timestamp)),
      rotation_policy_id: Type.Optional(Nullable(Type.String())),
      secret_policy_id: Type.Optional(Nullable(Type.String())),
    }),
    { description: 'by path' },
  ),
  errors: Errors,
});

export const BatchMetadataAnswer = Type.Object({
  secrets: Type.Record(Type.String(), StateBody, { description: 'by path' }),
  errors: Errors,
  truncated: Type.Boolean({ description: 'wildcards stand for more secrets than are shown' }),
});
