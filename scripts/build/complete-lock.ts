/**
 * Adds to `package-lock.json` the optional packages for other platforms that are missing there. npm leaves out what the
 * registry of the moment does not serve, and `npm ci` then refuses the lock file; an entry that says for which
 * platform it is satisfies it everywhere, and is never fetched on another one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

interface Entry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const FILE = resolve(import.meta.dirname, '../../package-lock.json');
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

const lock = JSON.parse(readFileSync(FILE, 'utf8')) as { packages: Record<string, Entry> };
const missing = Object.values(lock.packages).flatMap((parent) =>
  Object.entries(parent.optionalDependencies ?? {})
    .filter(([name, version]) => EXACT.test(version) && lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => [`node_modules/${name}`, platformEntry(name, version, parent)] as const),
);
if (missing.length > 0) {
  const [root = ['', {}], ...entries] = [...Object.entries(lock.packages), ...missing];
  entries.sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries([root, ...entries]);
  writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
}
process.stdout.write(`package-lock.json: ${missing.length} entries for other platforms added\n`);

/** Such packages are named after their platform, as in `@rollup/rollup-linux-x64-musl`. */
function platformEntry(name: string, version: string, parent: Entry): Entry {
  const words = name.split(/[-/]/);
  const os = words.filter((word) => SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length === 0) throw new Error(`${name} is missing, and its name tells no platform: run npm install`);
  const libc = words.at(-1)?.startsWith('musl') ? { libc: ['musl'] } : {};
  return {
    version,
    ...(parent.dev ? { dev: true } : {}),
    optional: true,
    os,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...libc,
  };
}
