import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedBytes, type PackageFile, packageFilePath } from './assets.ts';

/** No directory of this machine lets us load machine code from it. */
export class AddonUnusable extends Error {
  override readonly name = 'AddonUnusable';
  readonly hint = 'Mount a file system that allows execution at /dev/shm or /tmp.';
}

// Linux, open(2): a file without a name, gone with its last descriptor. Node.js has no constant for it.
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const DIRECTORIES = ['/dev/shm', tmpdir(), '/var/tmp'];

function open(path: string): unknown {
  const module = { exports: {} as unknown };
  process.dlopen(module, path);
  return module.exports;
}

function openNameless(bytes: Uint8Array, directory: string): unknown {
  const descriptor = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o700);
  try {
    writeFileSync(descriptor, bytes);
    return open(`/proc/self/fd/${descriptor}`);
  } finally {
    closeSync(descriptor);
  }
}

/** For file systems that know no nameless files. The name is gone before anything else happens. */
function openNamed(bytes: Uint8Array, directory: string): unknown {
  const own = mkdtempSync(join(directory, 'scaivault-'));
  try {
    const path = join(own, 'addon.node');
    writeFileSync(path, bytes, { mode: 0o500, flag: 'wx' });
    return open(path);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/**
 * Loads an addon that is in no file. The loader of the system takes files only, so it is given one that nobody else
 * can open, and that leaves nothing behind.
 *
 * @param directories tried in order; the first on a file system that allows execution does
 * @throws AddonUnusable
 */
export function openFromMemory(bytes: Uint8Array, directories: readonly string[] = DIRECTORIES): unknown {
  const failures: string[] = [];
  for (const openIn of [openNameless, openNamed]) {
    for (const directory of directories) {
      try {
        return openIn(bytes, directory);
      } catch (error) {
        failures.push(`${directory}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  throw new AddonUnusable(`An addon cannot be loaded from ${failures.join('; ')}`);
}

/** What the named addon exports. The build puts this in the place of the package's own `require`. @throws AddonUnusable */
export function loadNativeAddon(name: PackageFile): unknown {
  const path = packageFilePath(name);
  return path === null ? openFromMemory(embeddedBytes(name)) : open(path);
}
