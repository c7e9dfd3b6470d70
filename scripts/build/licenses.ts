import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The part of esbuild's metafile that is used here. */
interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
}

const PACKAGE_OF_FILE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;

/**
 * The licence texts of every package of which at least one file is in the bundle, and of `others`, in order of name. A
 * package without a licence file is listed with the licence that its manifest names.
 */
export async function thirdPartyLicenses(metafile: Metafile, others: readonly string[]): Promise<string> {
  const folders = new Set<string>(others);
  for (const input of Object.keys(metafile.inputs)) {
    const folder = PACKAGE_OF_FILE.exec(input)?.[1];
    if (folder !== undefined) folders.add(folder);
  }
  const entries = await Promise.all([...folders].sort().map(describePackage));
  return entries.join(`\n${'-'.repeat(80)}\n\n`);
}

async function describePackage(folder: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const files = (await readdir(folder)).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name)).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return [`${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n`, ...texts].join('\n');
}
