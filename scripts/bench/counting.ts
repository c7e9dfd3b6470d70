/**
 * Loaded into a server (`node --import`) to count what it does: calls of cryptography, and bytes allocated, between a
 * first and a second SIGUSR2. The counts are written to the file that BENCH_COUNTS names. Only the bench uses it.
 */
import crypto from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { syncBuiltinESMExports } from 'node:module';

const FUNCTIONS = [
  ...['createCipheriv', 'createDecipheriv', 'createHash', 'hash', 'createHmac', 'sign', 'verify', 'hkdfSync'],
  ...['randomBytes', 'randomFillSync', 'randomUUID', 'timingSafeEqual'],
] as const;
const SUBTLE = ['sign', 'verify', 'digest', 'encrypt', 'decrypt', 'importKey', 'deriveBits'] as const;
/** Bytes between two samples; the smaller, the truer and the slower. */
const SAMPLING_INTERVAL = 4096;

type Functions = Record<string, (...args: unknown[]) => unknown>;
const counts = new Map<string, number>();

function count(functions: Functions, name: string, label: string): void {
  const original = functions[name];
  if (original === undefined) return;
  functions[name] = function (this: unknown, ...args: unknown[]) {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    return original.apply(this, args);
  };
}

for (const name of FUNCTIONS) count(crypto as unknown as Functions, name, name);
const subtle = Object.getPrototypeOf(crypto.webcrypto.subtle) as Functions;
for (const name of SUBTLE) count(subtle, name, `subtle.${name}`);
syncBuiltinESMExports();

interface ProfileNode {
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}
const sizeOf = (node: ProfileNode): number =>
  node.selfSize + node.children.reduce((sum, child) => sum + sizeOf(child), 0);

const session = new Session();
session.connect();
let counting = false;

process.on('SIGUSR2', () => {
  counting = !counting;
  if (counting) {
    counts.clear();
    session.post('HeapProfiler.startSampling', {
      samplingInterval: SAMPLING_INTERVAL,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as object);
  } else {
    session.post('HeapProfiler.stopSampling', (error, result) => {
      const allocatedBytes = error === null ? sizeOf(result.profile.head as unknown as ProfileNode) : null;
      const document = { crypto: Object.fromEntries(counts), allocatedBytes };
      writeFileSync(process.env.BENCH_COUNTS ?? '/dev/null', JSON.stringify(document));
    });
  }
});
