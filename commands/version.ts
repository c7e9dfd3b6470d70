import { hasPackageFile, PACKAGING } from '../src/lib/assets.ts';
import { VERSION } from '../src/lib/version.ts';
import { watchStreams } from './streams.ts';

export const VERSION_FLAGS = '-V, --version';
const FLAGS = VERSION_FLAGS.split(', ');

/** Whether nothing but the version is asked for; then nothing else is loaded. */
export function asksVersion(args: readonly string[]): boolean {
  return args.some((arg) => FLAGS.includes(arg)) && args.every((arg) => FLAGS.includes(arg) || arg === '--json');
}

/** What runs here, for a bug report: the release, how it is packed, and what it was built with. */
function versionDocument() {
  const node = process.versions.node;
  return { version: VERSION, packaging: PACKAGING, node, pkcs11: hasPackageFile('pkcs11.node') };
}

/** `scaivault --version [--json]` */
export function printVersion(args: readonly string[]): void {
  watchStreams();
  const text = args.includes('--json') ? JSON.stringify(versionDocument()) : VERSION;
  process.stdout.write(`${text}\n`);
}
