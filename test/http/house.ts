import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import * as assert from 'uvu/assert';
import type { Route } from '../../src/contract/route.ts';
import { routeTable } from '../../src/http/routes.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

export interface AuditRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly action: string;
  readonly secret_path: string | null;
  readonly resource: string | null;
  readonly identity_id: string | null;
  readonly source_ip: string | null;
  readonly success: boolean;
  readonly error_code: string | null;
  readonly version: number | null;
  readonly decision: Readonly<Record<string, unknown>> | null;
  readonly extra_data: Readonly<Record<string, unknown>>;
}

/** A server, and its database seen from the side. */
export interface House extends TestServer {
  sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** The audit entries of one request. */
  audited(requestId: string): Promise<readonly AuditRow[]>;
}

/** @param overrides variables of the server; limits are off unless given, so that a test may ask often */
export async function startHouse(overrides: Readonly<Record<string, string>> = {}): Promise<House> {
  const server = await startTestServer({
    RATE_LIMIT_ENABLED: 'false',
    RATE_LIMIT_AUTH_FAILURES: 'off',
    ...overrides,
  });
  const client = new Client({ connectionString: server.env.DATABASE_URL! });
  // A test may stop the server.
  client.on('error', () => {});
  await client.connect();
  const sql = async <Row extends object>(text: string, values: readonly unknown[] = []) =>
    (await client.query(text, [...values])).rows as readonly Row[];
  return {
    ...server,
    sql,
    audited: (requestId) => sql<AuditRow>('SELECT * FROM audit_log WHERE request_id = $1 ORDER BY id', [requestId]),
    stop: async () => {
      await client.end();
      await server.stop();
    },
  };
}

/** An `X-Request-ID` that no other request has. */
export function requestId(): string {
  return `t-${randomBytes(9).toString('hex')}`;
}

/** The table of routes as the server has it; its handlers are not to be called. */
export function table(): readonly Route[] {
  const nothing = new Proxy({}, { get: () => () => nothing }) as never;
  return routeTable({
    clock: nothing,
    ready: nothing,
    baseUrl: 'https://vault.example.test',
    metrics: async () => '',
    db: nothing,
    mac: nothing,
    identity: nothing,
    policies: nothing,
    secrets: nothing,
  });
}

/** That a body is an error in the one shape, with this code. */
export function assertError(body: unknown, code: string): void {
  const { error, ...rest } = body as { error: Record<string, unknown> };
  assert.equal(rest, {});
  assert.is(error.code, code, JSON.stringify(error));
  assert.type(error.message, 'string');
  assert.match(String(error.request_id), /^[A-Za-z0-9_-]{8,64}$/);
  const known = new Set(['code', 'message', 'details', 'request_id']);
  assert.equal(
    Object.keys(error).filter((name) => !known.has(name)),
    [],
  );
}
