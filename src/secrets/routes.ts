import { ApiError } from '../contract/errors.ts';
import { changeRoute, type Reply, type Route, readRoute } from '../contract/route.ts';
import { NoQuery } from '../contract/schemas.ts';
import { isoMillis } from '../lib/clock.ts';
import { expectedVersion, versionNumber } from './preconditions.ts';
import { PutBody, SecretBody, VersionQuery, WrittenBody } from './schemas.ts';
import type { SecretsService } from './service.ts';
import { SECRET_TYPES, type SecretType, type SecretVersion } from './types.ts';

function parseSecretType(text: string | undefined): SecretType | null {
  if (text === undefined) return null;
  const type = SECRET_TYPES.find((known) => known === text);
  if (type === undefined) throw new ApiError('invalid_secret_type');
  return type;
}

/** The members of an answer that are not the value. */
function describe(secret: SecretVersion) {
  return {
    path: secret.path,
    secret_type: secret.secretType,
    version: secret.version,
    metadata: secret.metadata,
    created_at: isoMillis(secret.createdAt.getTime()),
    updated_at: isoMillis(secret.updatedAt.getTime()),
    expires_at: null,
    last_accessed_at: null,
    rotation_policy_id: null,
    secret_policy_id: null,
  };
}

function etag(secret: SecretVersion): Record<string, string> {
  return { ETag: `"${secret.version}"` };
}

export function secretsRoutes(service: SecretsService): readonly Route[] {
  const read = readRoute({
    method: 'GET',
    path: '/v1/secrets/{path}',
    summary: 'Read a secret',
    tag: 'secrets',
    category: 'SECRETS_READ',
    scope: 'secrets:read',
    authority: { type: 'policy', kind: 'secret', permission: 'read' },
    action: 'read',
    query: VersionQuery,
    body: null,
    responses: { 200: { description: 'The secret with its value', schema: SecretBody } },
    run: async (call): Promise<Reply> => {
      const version = call.query.version === undefined ? null : versionNumber(call.query.version);
      const secret = await service.read(call, call.secretPath(), version);
      return {
        status: 200,
        headers: etag(secret),
        body: { ...describe(secret), data: secret.data },
        facts: { version: secret.version },
      };
    },
  });

  const write = changeRoute({
    method: 'PUT',
    path: '/v1/secrets/{path}',
    summary: 'Write a new version of a secret',
    tag: 'secrets',
    category: 'SECRETS_WRITE',
    scope: 'secrets:write',
    authority: { type: 'policy', kind: 'secret', permission: 'write' },
    action: 'write',
    query: NoQuery,
    body: PutBody,
    responses: {
      200: { description: 'A new version of an existing secret', schema: WrittenBody },
      201: { description: 'The first version', schema: WrittenBody },
    },
    run: async (call) => {
      const { data, metadata, options } = call.body;
      return service.write(call, call.secretPath(), data, {
        secretType: parseSecretType(call.body.secret_type),
        metadata: metadata ?? {},
        expected: expectedVersion(call.ifMatch, call.ifNoneMatch, options?.cas),
      });
    },
    reply: (written) => ({
      status: written.created ? 201 : 200,
      headers: etag(written),
      body: { ...describe(written), created: written.created },
    }),
  });

  return [read, write];
}
