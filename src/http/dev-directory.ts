import { rmdirSync, rmSync } from 'node:fs';
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** Another process has the directory. */
export class DirectoryBusy extends Error {
  override readonly name = 'DirectoryBusy';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** The directory cannot be made, or not be written. */
export class DirectoryUnusable extends Error {
  override readonly name = 'DirectoryUnusable';
}

/** Where `serve --dev` keeps everything: database, key file, issuer's key, `dev.env`. */
export interface DevDirectory {
  readonly path: string;
  /** Writes `dev.env`, which holds a token and is for its owner only. */
  writeEnvironment(url: string, token: string): Promise<void>;
  readonly environmentFile: string;
  /** Gives the lock back; of an ephemeral server nothing stays. Synchronous: the last thing that a process does. */
  release(): void;
}

const TRIES = 3;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return codeOf(error) === 'EPERM';
  }
  // A container whose first process collects nobody keeps the dead as zombies. Without /proc there is no telling.
  const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return !/\) [ZX] /.test(status);
}

async function holderOf(lock: string): Promise<number | null> {
  const text = await readFile(lock, 'utf8').catch(() => '');
  const pid = Number(text.trim());
  // Our own pid: a container that was restarted gives it out again.
  return Number.isSafeInteger(pid) && pid > 0 && pid !== process.pid && (await isAlive(pid)) ? pid : null;
}

async function takeLock(lock: string, directory: string): Promise<void> {
  // Linked into place with the pid inside: nobody ever finds a lock that names no holder yet.
  const own = `${lock}.${process.pid}`;
  await writeFile(own, `${process.pid}\n`, { mode: 0o600 });
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await link(own, lock);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || attempt === TRIES) throw error;
      }
      const holder = await holderOf(lock);
      if (holder !== null) {
        throw new DirectoryBusy(
          `${directory} is in use by process ${holder}`,
          `Stop it, or choose another directory with --data DIR. If it is no ScaiVault, remove ${lock}.`,
        );
      }
      await rm(lock, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function makeDirectory(path: string): Promise<void> {
  // Not in one recursive call: in a directory that takes no new ones, such as /proc, Node would try for ever.
  await mkdir(dirname(path), { recursive: true });
  await mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
}

/** Removes the directory if there is nothing in it. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is kept in it.
  }
}

/** Makes the directory if it is missing and takes its lock. @throws DirectoryBusy, DirectoryUnusable */
export async function openDevDirectory(directory: string, ephemeral: boolean): Promise<DevDirectory> {
  const path = resolve(directory);
  const lock = join(path, 'lock');
  const environmentFile = join(path, 'dev.env');
  try {
    await makeDirectory(path);
    await takeLock(lock, directory);
  } catch (error) {
    if (error instanceof DirectoryBusy) throw error;
    throw new DirectoryUnusable(`${directory} cannot be used for data (${codeOf(error)})`, { cause: error });
  }
  return {
    path,
    environmentFile,
    writeEnvironment: async (url, token) => {
      // Written beside and renamed: whoever sources it never sees half of it.
      const draft = `${environmentFile}.new`;
      await writeFile(draft, `export SCAIVAULT_URL=${url}\nexport SCAIVAULT_TOKEN=${token}\n`, { mode: 0o600 });
      await chmod(draft, 0o600);
      await rename(draft, environmentFile);
    },
    release: () => {
      if (ephemeral) rmSync(environmentFile, { force: true });
      rmSync(lock, { force: true });
      if (ephemeral) removeEmpty(path);
    },
  };
}
