import { glob, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Statement, statement } from '../../src/postgres/database.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const STATEMENT = /\bstatement\(\s*'([^']+)',\s*(?:`([^`]*)`|'([^']*)'),?\s*\)/g;

/** Texts are put together from constants of the same file. */
function expand(text: string, source: string): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const constant = new RegExp(`const ${name} =\\s*(?:\`([^\`]*)\`|'([^']*)')`).exec(source);
    if (constant === null) throw new Error(`constant ${name} not found`);
    return expand(constant[1] ?? constant[2] ?? '', source);
  });
}

/** Every statement of the source tree, read from its text. @throws when one is written in a way that is not understood */
export async function allStatements(): Promise<readonly (Statement & { readonly file: string })[]> {
  const found: (Statement & { file: string })[] = [];
  for await (const file of glob('{src,commands}/**/*.ts', { cwd: ROOT })) {
    if (file === 'src/postgres/database.ts') continue;
    const source = await readFile(join(ROOT, file), 'utf8');
    const matches = [...source.matchAll(STATEMENT)];
    const mentioned = source.match(/\bstatement\(/g)?.length ?? 0;
    if (matches.length !== mentioned) throw new Error(`${file}: ${mentioned} statements, ${matches.length} understood`);
    for (const [, name = '', template, quoted = ''] of matches) {
      found.push({ ...statement(name, expand(template ?? quoted, source)), file });
    }
  }
  return found;
}
