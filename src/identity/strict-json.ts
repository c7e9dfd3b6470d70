/**
 * JSON from a token, read strictly. `JSON.parse` takes the last of two members with one name and other parsers the
 * first, so a token could mean two things (the class of CVE-2024-5798): such a document is refused, and so are
 * invalid UTF-8, a byte order mark and deep nesting.
 */

const MAX_DEPTH = 16;

export class NotStrictJson extends Error {
  override readonly name = 'NotStrictJson';
}

/** @returns the object. @throws NotStrictJson for anything that is not one unambiguous JSON object. */
export function parseStrictObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const text = decode(bytes);
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotStrictJson('not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotStrictJson('not a JSON object');
  checkMembers(text);
  return value as Readonly<Record<string, unknown>>;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotStrictJson('not UTF-8');
  }
}

/** Before `JSON.parse`, so that nothing deep is ever built. */
function checkDepth(text: string): void {
  let depth = 0;
  for (const token of tokens(text)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth > MAX_DEPTH) throw new NotStrictJson(`nested deeper than ${MAX_DEPTH}`);
  }
}

/** @param text is valid JSON already. */
function checkMembers(text: string): void {
  // One entry for each open bracket: the names seen in an object, null for an array.
  const open: (Set<string> | null)[] = [];
  let nameComes = false;
  for (const token of tokens(text)) {
    const names = open.at(-1);
    if (token === '{' || token === '[') open.push(token === '{' ? new Set() : null);
    else if (token === '}' || token === ']') open.pop();
    else if (nameComes && names instanceof Set && token.startsWith('"')) addName(names, token);
    nameComes = token === '{' || (token === ',' && open.at(-1) instanceof Set);
  }
}

/** Names are compared as they read, not as they are escaped: `"\u0073ub"` is `"sub"`. */
function addName(names: Set<string>, token: string): void {
  const name: unknown = JSON.parse(token);
  if (typeof name !== 'string') return;
  if (names.has(name)) throw new NotStrictJson('a member stands twice');
  names.add(name);
}

/** Brackets, commas and whole strings, in order; numbers, literals, colons and white space are passed over. */
function* tokens(text: string): Generator<string> {
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = endOfString(text, at);
      yield text.slice(at, end);
      at = end;
      continue;
    }
    if ('{}[],'.includes(char)) yield char;
    at++;
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
  return Math.min(at + 1, text.length);
}
