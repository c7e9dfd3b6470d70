import { changeRoute, type Reply, type Route, readRoute } from '../../contract/route.ts';
import { NoQuery } from '../../contract/schemas.ts';
import { etag, stateBody } from '../bodies.ts';
import { parseChanges, parseExpected } from '../inputs.ts';
import { MetadataPatchBody, StateBody } from '../schemas.ts';
import type { SecretsService } from '../service.ts';
import type { SecretState } from '../types.ts';

function stateReply(secret: SecretState): Reply {
  return { status: 200, headers: etag(secret.currentVersion), body: stateBody(secret) };
}

export function stateRoutes(service: Pick<SecretsService, 'readMetadata' | 'patchMetadata'>): readonly Route[] {
  const read = readRoute({
    method: 'GET',
    path: '/v1/secrets/{path}:metadata',
    summary: 'What is known of a secret without its value, deleted or not',
    tag: 'secrets',
    category: 'SECRETS_READ',
    scope: 'secrets:list',
    authority: { type: 'policy', kind: 'secret', permission: 'list' },
    action: 'metadata_read',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'The secret without its value', schema: StateBody } },
    run: async (call) => {
      const secret = await service.readMetadata(call, call.secretPath());
      return { ...stateReply(secret), changesUnderTag: true, facts: { version: secret.currentVersion } };
    },
  });

  const patch = changeRoute({
    method: 'PATCH',
    path: '/v1/secrets/{path}:metadata',
    summary: 'Change metadata and options, without a new version',
    tag: 'secrets',
    category: 'SECRETS_WRITE',
    scope: 'secrets:write',
    authority: { type: 'policy', kind: 'secret', permission: 'write' },
    action: 'metadata_write',
    query: NoQuery,
    body: MetadataPatchBody,
    responses: { 200: { description: 'The secret without its value', schema: StateBody } },
    run: async (call) => {
      const expected = parseExpected(call, call.body.options);
      return service.patchMetadata(call, call.secretPath(), parseChanges(call.body), expected);
    },
    reply: stateReply,
  });

  return [read, patch];
}
