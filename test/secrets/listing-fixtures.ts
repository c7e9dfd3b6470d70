/** A tenant's secrets in a real database, and lists of them by the policies' own evaluator. */

import type { DecisionRecord } from '../../src/contract/audit.ts';
import type { PolicyId, SecretPath } from '../../src/contract/names.ts';
import type { Judge, Standing } from '../../src/contract/route.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { VERSION } from '../../src/lib/version.ts';
import { PolicyAccess, PolicySets } from '../../src/policy/access.ts';
import type { RuleText } from '../../src/policy/rules.ts';
import { makeState } from '../../src/policy/tenant-state.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import { openEmbedded } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { beyond } from '../../src/secrets/listing/index-order.ts';
import { makePage, type Page } from '../../src/secrets/listing/page.ts';
import type { Entry, ListRequest } from '../../src/secrets/listing/types.ts';
import { migrated, open } from '../audit/fixtures.ts';
import { ACME, allow, deny, ISSUER, OTHER, PARTNER, person } from '../policy/house.ts';

export { beyond };

const EPOCHS = { policy: 1, subject: 1 };
const TENANT = statement('t.tenant', 'INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2)');
const SECRETS = statement(
  't.secrets',
  `INSERT INTO secrets (tenant_id, id, path, secret_type, current_version)
   SELECT $1, 's' || n, path, 'kv', 1 FROM unnest($2::text[]) WITH ORDINALITY AS p(path, n)`,
);

export const NO_FILTER: ListRequest['filter'] = {
  deletedWithinMs: null,
  secretType: null,
  owner: null,
  tag: null,
  expiringWithinMs: null,
  search: null,
};

export interface Shelf {
  readonly url: string;
  readonly db: Database;
  /** Names of the statements sent since the last call. */
  sent(): readonly string[];
  /** In place of all that was there. */
  store(paths: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

interface Opened {
  readonly url: string;
  readonly opened: Database;
  remove(): Promise<void>;
}

async function openServer(): Promise<Opened> {
  const database = await migrated();
  return { url: database.url, opened: await open(database.url, 4, 60_000), remove: database.drop };
}

async function openInMemory(): Promise<Opened> {
  const opened = await openEmbedded(null);
  await migrate(opened.session(), migrationsDirectory(), VERSION);
  return { url: '', opened, remove: async () => {} };
}

/** @param embedded in the database of `serve --dev` */
export async function openShelf({ embedded = false } = {}): Promise<Shelf> {
  const { url, opened, remove } = await (embedded ? openInMemory() : openServer());
  const names: string[] = [];
  const db: Database = {
    query: (each, values) => {
      names.push(each.name);
      return opened.query(each, values);
    },
    transaction: (work) =>
      opened.transaction((tx) =>
        work({
          commit: () => tx.commit(),
          query: (each, values) => {
            names.push(each.name);
            return tx.query(each, values);
          },
        }),
      ),
    poolStatus: () => opened.poolStatus(),
    close: () => opened.close(),
  };
  await opened.query(statement('t.partner', 'INSERT INTO partners (partner_id) VALUES ($1)'), [PARTNER]);
  await opened.query(TENANT, [ACME.tenantId, PARTNER]);
  await opened.query(TENANT, [OTHER.tenantId, PARTNER]);
  return {
    url,
    db,
    sent: () => names.splice(0),
    store: async (paths) => {
      await opened.query(statement('t.clear', 'DELETE FROM secrets'));
      await opened.query(SECRETS, [ACME.tenantId, [...paths]]);
      // Somebody else's of the same names, and some more.
      await opened.query(SECRETS, [OTHER.tenantId, [...paths, 'zz/other', '0-other']]);
    },
    close: async () => {
      await opened.close();
      await remove();
    },
  };
}

export function listRules(allowed: readonly string[], denied: readonly string[] = []): readonly RuleText[] {
  return [...allowed.map((each) => allow(each, ['list'])), ...denied.map((each) => deny(each, ['list']))];
}

export const STANDS: Standing = { holds: () => true, confirm: async () => {} };

/** What the policies' own evaluator says of a person called `ab` with these rules. */
export function judgeBy(rules: readonly RuleText[]): Judge {
  const binding = {
    policy_id: 'pol_1' as PolicyId,
    kind: 'user' as const,
    subject_issuer: ISSUER,
    subject_tenant: ACME.tenantId,
    subject_id: 'ab',
    expires_ms: null,
  };
  const policies = [{ id: 'pol_1' as PolicyId, version: 1, rules }];
  const state = makeState(ACME.tenantId, { epochs: EPOCHS, policies, bindings: [binding] }, null);
  const caller = { principal: person('ab'), tenant: ACME, sourceIp: null };
  const access = new PolicyAccess(state, caller, new PolicySets(), systemClock());
  const decision = {} as DecisionRecord;
  return {
    path: (kind, path, permission) =>
      access.decide(kind, path, permission).allowed
        ? { allowed: true, decision }
        : { allowed: false, decision, error: new Error() as never },
    reach: (kind, permission) => access.reach(kind, permission),
  };
}

export function mayList(judge: Judge, path: string): boolean {
  return judge.path('secret', path as SecretPath, 'list').allowed;
}

export const textOf = (entry: Entry): string => (entry.type === 'folder' ? entry.prefix : entry.secret.path);

export type Asked = Partial<Omit<ListRequest, 'from'>>;

/** All pages of a list, each from where the one before ended. */
export async function pagesOf(
  { db }: Pick<Shelf, 'db'>,
  judge: Judge,
  { prefix = '', folders = false, filter = NO_FILTER, limit = 100 }: Asked = {},
): Promise<readonly Page[]> {
  const pages: Page[] = [];
  for (let from: string | null = prefix; from !== null; ) {
    const request = { prefix, folders, filter, limit, from };
    const page: Page = await makePage(db, { tenant: ACME, standing: STANDS, judge }, request);
    pages.push(page);
    from = page.next;
  }
  return pages;
}

/** What a list has to show, the slow way: every path judged by itself. */
export function expected(paths: readonly string[], judge: Judge, prefix: string, folders: boolean): readonly string[] {
  const allowed = paths.filter((path) => path.startsWith(prefix) && mayList(judge, path));
  const shown = allowed.map((path) => {
    const rest = path.slice(prefix.length).split('/');
    return folders && rest.length > 1 ? `${prefix}${rest[0]}/` : path;
  });
  return [...new Set(shown)].sort();
}
