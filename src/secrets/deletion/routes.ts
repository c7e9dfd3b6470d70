import { changeRoute, type Route } from '../../contract/route.ts';
import { NoQuery } from '../../contract/schemas.ts';
import { deletedBody, destroyedBody, etag, stateBody } from '../bodies.ts';
import { parseExpected } from '../inputs.ts';
import { DeletedBody, DeleteQuery, DestroyBody, DestroyedBody, StateBody } from '../schemas.ts';
import type { SecretsService } from '../service.ts';

const deleting = {
  tag: 'secrets',
  category: 'SECRETS_DELETE',
  scope: 'secrets:delete',
  authority: { type: 'policy', kind: 'secret', permission: 'delete' },
} as const;

export function deletionRoutes(
  service: Pick<SecretsService, 'softDelete' | 'destroySecret' | 'undelete' | 'destroyVersions'>,
): readonly Route[] {
  const remove = changeRoute({
    ...deleting,
    method: 'DELETE',
    path: '/v1/secrets/{path}',
    summary: 'Delete a secret, for a while or for good',
    action: 'delete',
    query: DeleteQuery,
    body: null,
    responses: { 200: { description: 'What was deleted', schema: DeletedBody } },
    run: async (call) => {
      const { softDelete, destroySecret } = service;
      const remove = call.query.permanent === 'true' ? destroySecret : softDelete;
      return remove(call, call.secretPath(), parseExpected(call));
    },
    reply: (deleted) => ({ status: 200, body: deletedBody(deleted) }),
  });

  const undelete = changeRoute({
    ...deleting,
    method: 'POST',
    path: '/v1/secrets/{path}:undelete',
    summary: 'Bring a deleted secret back',
    action: 'undelete',
    query: NoQuery,
    body: null,
    responses: { 200: { description: 'The secret without its value', schema: StateBody } },
    run: async (call) => service.undelete(call, call.secretPath(), parseExpected(call)),
    reply: (secret) => ({ status: 200, headers: etag(secret.currentVersion), body: stateBody(secret) }),
  });

  const destroy = changeRoute({
    ...deleting,
    method: 'POST',
    path: '/v1/secrets/{path}:destroy',
    summary: 'Destroy versions for good',
    action: 'destroy',
    query: NoQuery,
    body: DestroyBody,
    responses: { 200: { description: 'What was destroyed', schema: DestroyedBody } },
    run: async (call) => service.destroyVersions(call, call.secretPath(), call.body.versions, parseExpected(call)),
    reply: (destroyed) => ({ status: 200, headers: etag(destroyed.currentVersion), body: destroyedBody(destroyed) }),
  });

  return [remove, undelete, destroy];
}
