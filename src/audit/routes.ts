import { type Route, readRoute } from '../contract/route.ts';
import { type QueryParts, queryLogs } from './query.ts';
import { LogsBody, LogsQuery } from './schemas.ts';

/** Asking the audit log is itself audited. */
export function auditRoutes(parts: QueryParts): readonly Route[] {
  const logs = readRoute({
    method: 'GET',
    path: '/v1/audit/logs',
    summary: 'The audit log of the tenant, newest first',
    tag: 'audit',
    category: 'AUDIT_QUERY',
    scope: 'audit:read',
    authority: { type: 'role', role: 'auditor', sys: { path: 'audit', permission: 'read' } },
    action: 'audit_read',
    query: LogsQuery,
    body: null,
    responses: { 200: { description: 'A page of entries', schema: LogsBody } },
    run: async (call) => ({
      status: 200,
      body: await queryLogs(call.query, { principal: call.principal, tenantId: call.tenant.tenantId }, parts),
    }),
  });
  return [logs];
}
