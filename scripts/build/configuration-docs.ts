/**
 * Writes `docs/configuration.md` from the table of variables. `--check` writes nothing and exits 1 when the file is
 * stale.
 */
import { join } from 'node:path';
import { hasEffect } from '../../src/config/release.ts';
import type { Variable } from '../../src/config/variable.ts';
import { isVariableName, SECTIONS } from '../../src/config/variables.ts';
import { isPageCurrent, writeOrCheckPage } from './generated-page.ts';

const FILE = join(import.meta.dirname, '../../docs/configuration.md');

const HEAD = `<!-- Made by scripts/build/configuration-docs.ts from src/config. Change the table there, then run it. -->
# Configuration

All configuration is environment variables, read once at start. A bad configuration is refused before anything is opened, with
every problem at once, one a line, and exit code 78. \`scaivault config\` shows what is in force, where each value came from, and
what is wrong.

- **Unset.** An empty value counts as unset. A variable that is present must be right, whatever the subcommand.
- **Secrets** are never shown. Instead of \`NAME\` each may be given as \`NAME_FILE\`, the path of a file that holds it (at most
  64 KiB, the newline at its end is dropped). Both at once is an error.
- **Flags** override. The flag of \`DATABASE_POOL_MAX\` is \`--database-pool-max\`; short forms are \`--bind\` for \`BIND_ADDRESS\` and
  \`--no-migrate\` for \`MIGRATE_ON_START=false\`. A secret has no flag, since everybody on a machine can read its command lines;
  \`--database-url\` takes \`DATABASE_URL\` without a password.
- **Durations** are written \`90d\`, \`48h\`, \`15m\`, \`30s\` or together, in this order: \`1d12h\`. **Sizes** are bytes, or \`64KiB\`, \`1MiB\`,
  \`1GiB\`. **Lists** are separated by commas.
- **Misspelt.** A variable that begins with one of our prefixes and is not in these tables is warned about, with the nearest name.
- **Later.** A variable marked *(later)* is checked and has no effect in this release. Key management providers other than
  \`local\`, the secondary, Redis Sentinel and Cluster and \`TLS_CLIENT_CA_FILE\` are refused until they are built.
`;

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

function row(name: string, variable: Variable): string {
  const later = isVariableName(name) && !hasEffect(name) ? ' *(later)*' : '';
  const secret = variable.secret === undefined ? '' : ' **Secret.**';
  const fallback = variable.default === undefined ? '' : code(variable.default);
  const required = (variable.requiredBy ?? []).map(code).join(', ');
  const form = cell(variable.kind.form);
  return `| ${code(name)} | ${required} | ${fallback} | ${cell(variable.meaning)}${secret}${later} | ${form} | ${code(variable.example)} |\n`;
}

/** The whole text of the page. */
export function configurationPage(): string {
  const sections = SECTIONS.map(({ title, about, variables }) => {
    const rows = Object.entries(variables).map(([name, variable]) => row(name, variable));
    const heading = '| Variable | Required by | Default | Meaning | Form | Example |\n|---|---|---|---|---|---|\n';
    return `\n## ${title}\n${about}\n\n${heading}${rows.join('')}`;
  });
  return HEAD + sections.join('');
}

/** Whether the committed page is the one that the table makes. */
export function isCurrent(): boolean {
  return isPageCurrent(FILE, configurationPage());
}

if (import.meta.main)
  writeOrCheckPage(FILE, configurationPage(), 'docs/configuration.md', 'scripts/build/configuration-docs.ts');
