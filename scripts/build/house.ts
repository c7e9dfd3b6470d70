/** Rules of the house that neither the linter nor the import checker can see. Each takes plain data, so tests can too. */

// Spec 00, "Shape", and the configuration of the tools. Whatever else appears has no room yet and needs a decision.
const TOP_LEVEL = new Set([
  ...['bin', 'src', 'commands', 'migrations', 'test', 'scripts', 'docs', 'deploy', '.ci'],
  ...['package.json', 'package-lock.json', 'Makefile', 'Dockerfile'],
  ...['README.md', 'ARCHITECTURE.md', 'PRINCIPLES.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE'],
  ...['.gitignore', '.gitattributes', '.dockerignore', '.editorconfig', '.npmrc'],
  ...['biome.json', 'tsconfig.json', 'tsup.config.ts', '.dependency-cruiser.cjs'],
]);

const SQL =
  /\bSELECT\s[^;]*?\sFROM\s|\bINSERT\s+INTO\s|\bUPDATE\s+\S+\s+SET\s|\bDELETE\s+FROM\s|\b(CREATE|ALTER|DROP)\s+(TABLE|INDEX|FUNCTION)\b/;
const STATEMENT = /\bstatement\(/;
const MAY_HOLD_SQL = /(^|\/)repository\.ts$|^src\/postgres\//;

/** Entries of the repository's root that have no place there. `paths` are the repository's files. */
export function strayEntries(paths: readonly string[]): string[] {
  const entries = new Set(paths.map((path) => path.split('/')[0] ?? ''));
  return [...entries]
    .filter((entry) => !TOP_LEVEL.has(entry))
    .map((entry) => `${entry}: not a top-level entry (spec 00)`);
}

/** Says when a file outside the repositories holds SQL. Comments may speak of it. */
export function strayStatements(path: string, source: string): string[] {
  if (MAY_HOLD_SQL.test(path) || !/^(bin|commands|src)\/.*\.ts$/.test(path)) return [];
  const code = source.replace(/^\s*(\/\/|\/?\*).*$/gm, '');
  return SQL.test(code) || STATEMENT.test(code)
    ? [`${path}: SQL stands only in repository.ts files and migrations`]
    : [];
}
