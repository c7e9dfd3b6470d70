import { type AuditService, createAuditService } from '../../src/audit/service.ts';
import { openIssuerKeys } from '../../src/identity/issuer-keys.ts';
import { createIdentityService, type IdentityConfig, type IdentityService } from '../../src/identity/service.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { Secret } from '../../src/lib/secret.ts';
import { VERSION } from '../../src/lib/version.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';
import { startIssuer, type TestIssuerServer } from '../support/issuer.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { configFor, type LogLine, recordingLog, type SteeredClock, steeredClock } from './fixtures.ts';

export interface Replica {
  readonly service: IdentityService;
  readonly audit: AuditService;
  readonly db: Database;
  readonly lines: readonly LogLine[];
}

/** A migrated database and an issuer, on which a test starts as many replicas as it likes. */
export interface House {
  readonly issuer: TestIssuerServer;
  readonly clock: SteeredClock;
  readonly db: Database;
  replica(config?: Partial<IdentityConfig>): Promise<Replica>;
  /** Rows of a query, for a look behind the scenes. */
  rows<Row extends object>(sql: string, values?: readonly string[]): Promise<readonly Row[]>;
  /** Audit entries of an action, the oldest first. */
  audited(action: string): Promise<readonly AuditRow[]>;
  /** Empties what identities are made of. */
  clean(): Promise<void>;
  close(): Promise<void>;
}

export interface AuditRow {
  readonly tenant_id: string;
  readonly partner_id: string | null;
  readonly resource: string | null;
  readonly identity_id: string | null;
  readonly success: boolean;
  readonly extra_data: Record<string, unknown>;
}

const TABLES = 'role_grants, first_super_admin, identities, tenants, partners, audit_log';

export async function openHouse(): Promise<House> {
  const database: TestDatabase = await createDatabase();
  const session = await openMigrationSession(new Secret(database.url));
  await migrate(session, migrationsDirectory(), VERSION);
  await session.close();
  const issuer = await startIssuer();
  const clock = steeredClock();
  const open = () => openDatabase({ url: database.url, poolMax: 4, statementTimeoutMs: 10_000 });
  const db = await open();
  const closing: (() => Promise<void>)[] = [];
  let replicas = 0;
  let statements = 0;

  const rows = <Row extends object>(sql: string, values: readonly string[] = []) =>
    db.query<Row>(statement(`test.${++statements}`, sql), values);

  return {
    issuer,
    clock,
    db,
    rows,
    replica: async (config = {}) => {
      const own = await open();
      const { log, lines } = recordingLog();
      const audit = createAuditService({ db: own, clock, instanceId: `test/${++replicas}`, writeLanes: 2 });
      const keySource = openIssuerKeys({ issuer: issuer.issuer, caBundle: issuer.ca, clock, log });
      const service = createIdentityService({
        db: own,
        audit,
        clock,
        config: configFor(issuer.issuer, config),
        keySource,
        log,
      });
      closing.push(
        () => service.close(),
        () => own.close(),
      );
      return { service, audit, db: own, lines };
    },
    audited: (action) => rows<AuditRow>('SELECT * FROM audit_log WHERE action = $1 ORDER BY "timestamp"', [action]),
    clean: async () => {
      await rows(`TRUNCATE ${TABLES} CASCADE`);
    },
    close: async () => {
      for (const close of closing) await close();
      await db.close();
      await issuer.close();
      await database.drop();
    },
  };
}
