import { changeRoute, type Reply, type Route, readRoute } from '../contract/route.ts';
import { NoQuery } from '../contract/schemas.ts';
import type { WrittenSecret } from './append.ts';
import { batchRoutes } from './batch/routes.ts';
import { etag, versionBody } from './bodies.ts';
import { deletionRoutes } from './deletion/routes.ts';
import { historyRoutes } from './history/routes.ts';
import { parseExpected, parseNewVersion } from './inputs.ts';
import { listingRoutes } from './listing/routes.ts';
import { versionNumber } from './preconditions.ts';
import { PatchBody, PutBody, RollbackBody, SecretBody, VersionQuery, WrittenBody } from './schemas.ts';
import type { SecretsService } from './service.ts';
import { stateRoutes } from './state/routes.ts';

const writing = {
  tag: 'secrets',
  category: 'SECRETS_WRITE',
  scope: 'secrets:write',
  authority: { type: 'policy', kind: 'secret', permission: 'write' },
  query: NoQuery,
} as const;

const NEW_VERSION = { 200: { description: 'A new version of an existing secret', schema: WrittenBody } };

function writtenReply(written: WrittenSecret): Reply {
  return {
    status: written.created ? 201 : 200,
    headers: etag(written.version),
    body: { ...versionBody(written), created: written.created },
  };
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
      const isKnown = (read: number) => call.knows(etag(read).ETag);
      const secret = await service.read(call, call.secretPath(), version, isKnown);
      return {
        status: 200,
        headers: etag(secret.version),
        body: { ...versionBody(secret), data: secret.data },
        facts: { version: secret.version },
        valuesOf: [secret.secretType],
      };
    },
  });

  const write = changeRoute({
    ...writing,
    method: 'PUT',
    path: '/v1/secrets/{path}',
    summary: 'Write a new version of a secret',
    action: 'write',
    body: PutBody,
    responses: { ...NEW_VERSION, 201: { description: 'The first version', schema: WrittenBody } },
    run: async (call) => service.write(call, call.secretPath(), call.body.data, parseNewVersion(call)),
    reply: writtenReply,
  });

  const patch = changeRoute({
    ...writing,
    method: 'PATCH',
    path: '/v1/secrets/{path}',
    summary: 'Change members of the value, as a new version',
    action: 'write',
    body: PatchBody,
    responses: NEW_VERSION,
    run: async (call) => service.patch(call, call.secretPath(), call.body.data, parseNewVersion(call)),
    reply: writtenReply,
  });

  const rollback = changeRoute({
    ...writing,
    method: 'POST',
    path: '/v1/secrets/{path}:rollback',
    summary: 'Write a copy of a former version',
    action: 'rollback',
    body: RollbackBody,
    responses: NEW_VERSION,
    run: async (call) => service.rollback(call, call.secretPath(), call.body.version, parseExpected(call)),
    reply: writtenReply,
  });

  return [
    read,
    write,
    patch,
    rollback,
    ...deletionRoutes(service),
    ...batchRoutes(service),
    ...stateRoutes(service),
    ...historyRoutes(service),
    ...listingRoutes(service),
  ];
}
