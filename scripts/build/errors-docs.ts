/**
 * Writes `docs/errors.md` from the catalogue of errors. `--check` writes nothing and exits 1 when the file is stale.
 */
import { join } from 'node:path';
import { ERRORS } from '../../src/contract/errors.ts';
import { isPageCurrent, writeOrCheckPage } from './generated-page.ts';

const FILE = join(import.meta.dirname, '../../docs/errors.md');

const HEAD = `<!-- Made by scripts/build/errors-docs.ts from src/contract/errors.ts. Change the table there, then run it. -->
# Errors

Every error has one shape, whatever went wrong:

\`\`\`json
{"error": {"code": "secret_not_found", "message": "There is no secret at this path.", "request_id": "req_01hk7x9z..."}}
\`\`\`

- \`code\` is stable: programs decide by it. \`message\` is for people and may say more than this table; it never holds a value.
- \`details\` is there where it helps: \`fields\` (name of a field -> the rule that it breaks), \`allow\`, \`scope\`, \`role\`, \`category\`,
  \`current_version\`, \`max_bytes\`, and on a 403 \`decision_id\`, the id of the audit entry, which an administrator can look up.
- \`request_id\` is that of the header \`X-Request-ID\`, in the audit log and in the server's log.
- A 401 carries \`WWW-Authenticate\`, a 405 \`Allow\`, a 429 and a 503 \`Retry-After\` in seconds.
- What is no HTTP at all is answered in the same shape and the connection is closed: headers beyond 16 KiB with status 431 and
  \`payload_too_large\`, a request that does not arrive in time with 408 and \`invalid_request\`, the rest with 400.
- Some codes belong to calls that a later release brings.
`;

/** The whole text of the page. */
export function errorsPage(): string {
  const entries = Object.entries(ERRORS);
  const statuses = [...new Set(entries.map(([, { status }]) => status))];
  const sections = statuses.map((status) => {
    const rows = entries
      .filter(([, entry]) => entry.status === status)
      .map(([code, { message }]) => `| \`${code}\` | ${message.replaceAll('|', '\\|')} |\n`);
    return `\n## ${status}\n\n| Code | Message |\n|---|---|\n${rows.join('')}`;
  });
  return HEAD + sections.join('');
}

/** Whether the committed page is the one that the table makes. */
export function isCurrent(): boolean {
  return isPageCurrent(FILE, errorsPage());
}

if (import.meta.main) writeOrCheckPage(FILE, errorsPage(), 'docs/errors.md', 'scripts/build/errors-docs.ts');
