/** A policy service on a real, migrated database, with tenants and people to try it with. */
import { createAuditService, systemDraft } from '../../src/audit/service.ts';
import { ApiError } from '../../src/contract/errors.ts';
import type { IdentityId, PartnerId, PolicyName, SecretPath, TenantId } from '../../src/contract/names.ts';
import type { Permission, RuleKind } from '../../src/contract/permissions.ts';
import type { Principal, Role, Subject, Tenant } from '../../src/contract/principal.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { VERSION } from '../../src/lib/version.ts';
import type { RuleText } from '../../src/policy/rules.ts';
import { type Asking, createPolicyService, type PolicyService } from '../../src/policy/service.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';
import { createDatabase } from '../support/postgres.ts';

export const ISSUER = 'https://id.example';
export const PARTNER = 'north' as PartnerId;
export const ACME: Tenant = { tenantId: 'acme' as TenantId, partnerId: PARTNER };
export const OTHER: Tenant = { tenantId: 'other' as TenantId, partnerId: PARTNER };

/** The wall clock, and as much later as a test says. */
export class ShiftedClock implements Clock {
  readonly #inner = systemClock();
  laterMs = 0;
  nowMs = () => this.#inner.nowMs() + this.laterMs;
  nowMicros = () => this.#inner.nowMicros() + this.laterMs * 1000;
}

export interface House {
  readonly db: Database;
  readonly clock: ShiftedClock;
  readonly policies: PolicyService;
  /** Says whether requests come whose address nobody knows. */
  hideAddresses(hidden: boolean): void;
  /** Another process on the same database. */
  replica(): PolicyService;
  /** Names of the statements sent outside transactions since the last call. */
  statementsSent(): readonly string[];
  /** Names of the statements of changes since the last call, each list as it was sent without waiting for an answer. */
  tripsOfChanges(): readonly (readonly string[])[];
  /** Holds back the answer of the next statement of this name. @returns what resolves when the database has answered */
  holdBack(name: string, until: Promise<unknown>): Promise<void>;
  /** `asking` of somebody in a tenant. */
  asks(who: Principal, roles?: readonly Role[], tenant?: Tenant): Asking;
  audited(): Promise<readonly AuditedRow[]>;
  close(): Promise<void>;
}

/** The audit entries about a policy. */
export async function auditedOf(house: House, id: string): Promise<readonly AuditedRow[]> {
  return (await house.audited()).filter((row) => row.resource === `policies/${id}`);
}

export interface AuditedRow {
  readonly id: string;
  readonly action: string;
  readonly resource: string | null;
  readonly extra_data: Readonly<Record<string, unknown>>;
}

export async function openHouse(): Promise<House> {
  const database = await createDatabase();
  const session = await openMigrationSession(new Secret(database.url));
  await migrate(session, migrationsDirectory(), VERSION);
  await session.close();
  const opened = await openDatabase({ url: database.url, poolMax: 8, statementTimeoutMs: 10_000 });
  const sent: string[] = [];
  let trips: string[][] = [];
  const held = new Map<string, { readonly until: Promise<unknown>; readonly answered: () => void }>();
  const db: Database = {
    query: async (asked, values) => {
      sent.push(asked.name);
      const hold = held.get(asked.name);
      held.delete(asked.name);
      const rows = await opened.query<never>(asked, values);
      hold?.answered();
      await hold?.until;
      return rows;
    },
    transaction: (work) =>
      opened.transaction((tx) => {
        let waiting = 0;
        const query: typeof tx.query = async (asked, values) => {
          if (waiting++ === 0) trips.push([]);
          trips.at(-1)?.push(asked.name);
          return tx.query<never>(asked, values).finally(() => waiting--);
        };
        return work({ query, commit: () => tx.commit() });
      }),
    poolStatus: () => opened.poolStatus(),
    close: () => opened.close(),
  };
  await opened.query(statement('t.partner', 'INSERT INTO partners (partner_id) VALUES ($1)'), [PARTNER]);
  for (const { tenantId } of [ACME, OTHER]) {
    const insert = statement('t.tenant', 'INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2)');
    await opened.query(insert, [tenantId, PARTNER]);
  }
  const clock = new ShiftedClock();
  const audit = createAuditService({ db, clock: systemClock(), instanceId: 'test', writeLanes: 1 });
  let addressesHidden = false;
  const service = () =>
    createPolicyService({ db, audit, clock, identities: DIRECTORY, addressesHidden: () => addressesHidden });
  return {
    db,
    clock,
    policies: service(),
    hideAddresses: (hidden) => {
      addressesHidden = hidden;
    },
    replica: service,
    statementsSent: () => sent.splice(0),
    tripsOfChanges: () => {
      const made = trips;
      trips = [];
      return made;
    },
    holdBack: (name, until) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(name, { until, answered: resolve });
      return promise;
    },
    asks: (principal, roles = [], tenant = ACME) => ({
      principal,
      tenant,
      roles: async () => new Set(roles),
      draft: systemDraft(clock, { action: 'policy_bind', tenantId: tenant.tenantId, partnerId: tenant.partnerId }),
      standing: { holds: () => true, confirm: async () => {} },
    }),
    audited: () =>
      opened.query<AuditedRow>(
        statement('t.audit', 'SELECT id, action, resource, extra_data FROM audit_log ORDER BY seq'),
      ),
    close: async () => {
      await opened.close();
      await database.drop();
    },
  };
}

/** Knows everybody by the id form, in the tenant asked for, except `user:nobody`. */
const DIRECTORY = {
  resolve: async (tenant: Tenant, kind: Subject['kind'], identityId: string) => {
    if (identityId === 'user:nobody') throw new ApiError('identity_not_found');
    const id = identityId.slice(identityId.indexOf(':') + 1);
    return { subject: { kind, issuer: ISSUER, tenantId: tenant.tenantId, id } };
  },
};

export function person(id: string, changes: Partial<Principal> & { readonly issuer?: string } = {}): Principal {
  const { issuer = ISSUER, ...others } = changes;
  const tenantId = changes.tenantId ?? ACME.tenantId;
  return {
    subject: { kind: 'user', issuer, tenantId, id },
    identityId: `user:${id}` as IdentityId,
    displayName: id,
    email: null,
    emailVerified: false,
    tenantId,
    partnerId: PARTNER,
    scopes: new Set(),
    groups: [],
    claimedRoles: new Set(),
    mfaVerifiedAt: null,
    expiresAt: Number.MAX_SAFE_INTEGER,
    onBehalfOf: null,
    key: id,
    ...others,
  };
}

export function allow(
  path_pattern: string,
  permissions: readonly Permission[] = ['read'],
  kind: RuleKind = 'secret',
): RuleText {
  return { path_pattern, permissions, effect: 'allow', kind };
}

export function deny(
  path_pattern: string,
  permissions: readonly Permission[] = ['read'],
  kind: RuleKind = 'secret',
): RuleText {
  return { path_pattern, permissions, effect: 'deny', kind };
}

export function named(name: string, ...rules: RuleText[]) {
  return { name: name as PolicyName, description: '', isActive: true, rules };
}

/** Creates a policy as an administrator and binds it. */
export async function grant(
  house: House,
  to: string,
  rules: readonly RuleText[],
  { tenant = ACME, expiresAt = null }: { readonly tenant?: Tenant; readonly expiresAt?: Date | null } = {},
) {
  const asking = () => house.asks(person('root', { tenantId: tenant.tenantId }), ['tenant_admin'], tenant);
  const name = `p-${Math.random().toString(36).slice(2)}`;
  const { value } = await house.policies.create(asking(), named(name, ...rules));
  const identityType = to.startsWith('group:') ? 'group' : to.startsWith('sa:') ? 'service_account' : 'user';
  await house.policies.bind(asking(), value.id, { identityType, identityId: to, expiresAt });
  return value;
}

export async function may(
  policies: PolicyService,
  who: Principal,
  onPath: string,
  { tenant = ACME, permission = 'read' as Permission, kind = 'secret' as RuleKind } = {},
): Promise<boolean> {
  return (await policies.access(who, tenant, null)).decide(kind, onPath as SecretPath, permission).allowed;
}

/** The code of the error that something fails with. */
export async function refusal(work: Promise<unknown>): Promise<ApiError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
