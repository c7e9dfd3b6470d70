/**
 * Splits a script into its statements, without comments and with single spaces, for reading. Knows strings, quoted
 * names and dollar quotes, in which a semicolon ends nothing.
 */
export function statementsOf(script: string): readonly string[] {
  const statements: string[] = [];
  let current = '';
  for (const [token] of script.matchAll(TOKEN)) {
    if (token === ';') {
      statements.push(current);
      current = '';
    } else current += token.startsWith('--') || token.startsWith('/*') ? ' ' : token;
  }
  return [...statements, current].map((text) => text.replace(/\s+/g, ' ').trim()).filter((text) => text !== '');
}

const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|[\s\S]/g;
