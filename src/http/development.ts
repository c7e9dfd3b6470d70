import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemDraft } from '../audit/service.ts';
import { parsePolicyName } from '../contract/names.ts';
import { type DevIssuer, ensureDevIdentity, openDevIssuer } from '../identity/dev-issuer.ts';
import { ensureKeyFile } from '../kms/key-file.ts';
import { openLocal } from '../kms/local.ts';
import type { Clock } from '../lib/clock.ts';
import { type EmbeddedDatabase, openEmbedded } from '../postgres/embedded.ts';
import type { Log } from '../telemetry/log.ts';
import type { OutsideWorld } from './parts.ts';
import type { Modules } from './server.ts';

export interface Development {
  readonly world: OutsideWorld;
  readonly issuer: DevIssuer;
}

/** The first start fills the database's directory. One that was cut short has left nothing that could be opened. */
async function openDatabaseIn(directory: string, log: Log): Promise<EmbeddedDatabase> {
  const [database, unfinished] = [join(directory, 'database'), join(directory, 'database.unfinished')];
  if (existsSync(unfinished)) await rm(database, { recursive: true, force: true });
  if (!existsSync(database)) {
    log.info({}, 'making the embedded database; only the first start takes this long');
    await writeFile(unfinished, '');
  }
  const opened = await openEmbedded(database);
  await rm(unfinished, { force: true });
  return opened;
}

/**
 * The parts of `serve --dev`: an embedded database, a key file and an issuer in the process, all in one directory.
 * @param directory for everything that is kept
 * @param ephemeral the database and the issuer's key are kept in memory only
 */
export async function developmentWorld(
  directory: string,
  ephemeral: boolean,
  clock: Clock,
  log: Log,
): Promise<Development> {
  const keyFile = join(directory, 'kms.key');
  await ensureKeyFile(keyFile);
  const issuer = await openDevIssuer(ephemeral ? null : directory, clock);
  // One session for all: the migrations run on the database that is served.
  const embedded: Promise<EmbeddedDatabase> = ephemeral ? openEmbedded(null) : openDatabaseIn(directory, log);
  embedded.catch(() => {});
  return {
    issuer,
    world: {
      openDatabase: () => embedded,
      openMigrationSession: async () => (await embedded).session(),
      connectRedis: async () => null,
      openKms: async () => openLocal(keyFile),
      openKeySource: async () => issuer.keySource,
      identity: issuer.config,
    },
  };
}

// The policy and its binding each raise the tenant's epoch.
const FIRST_EPOCH = 1;
const CHANGES_OF_FURNISHING = 2;

/** Makes the first tenant, its user and a policy that allows it everything, as far as they are missing. All audited. */
export async function furnish(modules: Modules, issuer: DevIssuer): Promise<string> {
  const { identity, policies, clock } = modules;
  const token = await issuer.mint();
  const { principal, tenant } = await ensureDevIdentity(identity, token);
  const made = (await policies.access(principal, tenant, null)).epochs.policy - FIRST_EPOCH;
  if (made >= CHANGES_OF_FURNISHING) return token;
  const asking = {
    principal,
    tenant,
    roles: () => identity.effectiveRoles(principal, tenant),
    standing: { holds: () => true, confirm: async () => {} },
  };
  const draft = (action: 'policy_create' | 'policy_bind') =>
    systemDraft(clock, { action, ...tenant, identityId: principal.identityId, identityType: principal.subject.kind });
  // A kill between the two changes left a policy that nobody is bound to; its name is taken.
  const name = parsePolicyName(made === 0 ? 'dev-all' : 'dev-all-again');
  if (name === null) throw new Error('not a policy name');
  const { value: policy } = await policies.create(
    { ...asking, draft: draft('policy_create') },
    {
      name,
      description: 'Everything, for the developer',
      isActive: true,
      rules: [{ path_pattern: '**', permissions: ['admin'], effect: 'allow', kind: 'secret' }],
    },
  );
  await policies.bind({ ...asking, draft: draft('policy_bind') }, policy.id, {
    identityType: 'user',
    identityId: principal.identityId,
    expiresAt: null,
  });
  return token;
}
