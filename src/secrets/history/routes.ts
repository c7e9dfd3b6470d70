import { type Route, readRoute } from '../../contract/route.ts';
import { etag, historyBody } from '../bodies.ts';
import { HistoryBody, HistoryQuery } from '../schemas.ts';
import type { SecretsService } from '../service.ts';

const DEFAULT_LIMIT = 100;

export function historyRoutes(service: Pick<SecretsService, 'versions'>): readonly Route[] {
  const versions = readRoute({
    method: 'GET',
    path: '/v1/secrets/{path}:versions',
    summary: 'The versions of a secret without their values, newest first',
    tag: 'secrets',
    category: 'SECRETS_READ',
    scope: 'secrets:list',
    authority: { type: 'policy', kind: 'secret', permission: 'list' },
    action: 'metadata_read',
    query: HistoryQuery,
    body: null,
    responses: { 200: { description: 'A page of versions', schema: HistoryBody } },
    run: async (call) => {
      const limit = call.query.limit === undefined ? DEFAULT_LIMIT : Number(call.query.limit);
      const path = call.secretPath();
      const page = await service.versions(call, path, { limit, cursor: call.query.cursor ?? null });
      return {
        status: 200,
        headers: etag(page.currentVersion),
        body: historyBody(path, page),
        changesUnderTag: true,
        facts: { version: page.currentVersion },
      };
    },
  });
  return [versions];
}
