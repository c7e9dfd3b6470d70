import { chown, mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Whom to run a server as: PostgreSQL refuses root, so root gives way to `postgres`, or else to `nobody`. */
export async function serverUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (user === undefined) throw new Error('running as root, and there is neither a user "postgres" nor "nobody"');
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

/** True when everybody may pass through the directory and all above it. */
export async function searchableByAll(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** A fresh directory that belongs to the server's user, below parents that this user can pass through. */
export async function temporaryDirectory(user: SystemUser | undefined): Promise<string> {
  // The runner names one directory for its whole run, so that nothing is left of a test process that was killed.
  const parents = [process.env.TEST_TEMP_DIR, tmpdir(), '/tmp', '/var/tmp'].filter((path) => path !== undefined);
  for (const parent of parents) {
    if (user !== undefined && !(await searchableByAll(parent))) continue;
    const directory = await mkdtemp(join(parent, 'scaivault-'));
    if (user !== undefined) await chown(directory, user.uid, user.gid);
    return directory;
  }
  throw new Error(`no temporary directory that user id ${user?.uid} can reach`);
}
