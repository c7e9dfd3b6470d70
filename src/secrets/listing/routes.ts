import { type Reply, type Route, readRoute } from '../../contract/route.ts';
import { isoTimeOrNull } from '../../lib/clock.ts';
import type { SecretsService } from '../service.ts';
import { ListBody, ListQuery } from './schemas.ts';
import type { ListedSecret } from './types.ts';

function present(secret: ListedSecret) {
  return {
    path: secret.path,
    secret_type: secret.secretType,
    current_version: secret.currentVersion,
    metadata: secret.metadata,
    created_at: isoTimeOrNull(secret.createdAt),
    updated_at: isoTimeOrNull(secret.updatedAt),
    expires_at: isoTimeOrNull(secret.expiresAt),
    last_accessed_at: isoTimeOrNull(secret.lastAccessedAt),
    deleted_at: isoTimeOrNull(secret.deletedAt),
    recoverable_until: isoTimeOrNull(secret.recoverableUntil),
  };
}

export function listingRoutes(service: Pick<SecretsService, 'list'>): readonly Route[] {
  const list = readRoute({
    method: 'GET',
    path: '/v1/secrets',
    summary: 'List secrets without their values, in the order of their paths',
    tag: 'secrets',
    category: 'LIST',
    scope: 'secrets:list',
    authority: { type: 'each_path', kind: 'secret', permission: 'list' },
    action: 'list',
    query: ListQuery,
    body: null,
    responses: { 200: { description: 'A page of secrets and folders', schema: ListBody } },
    run: async (call): Promise<Reply> => {
      const { prefix, entries, cursor } = await service.list(call, call.query);
      const secrets = entries.flatMap((entry) => (entry.type === 'secret' ? [present(entry.secret)] : []));
      const prefixes = entries.flatMap((entry) => (entry.type === 'folder' ? [entry.prefix] : []));
      return {
        status: 200,
        body: { secrets, prefixes, cursor, has_more: cursor !== null },
        facts: {
          ...(prefix === '' ? {} : { secretPath: prefix }),
          extra: { secrets: secrets.length, prefixes: prefixes.length },
        },
      };
    },
  });
  return [list];
}
