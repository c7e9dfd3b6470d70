/**
 * JSON from a stranger, read strictly. `JSON.parse` takes the last of two members with one name and other parsers the
 * first, so a document could mean two things (the class of CVE-2024-5798): it is refused, and so are invalid UTF-8, a
 * byte order mark and deep nesting.
 */

export type StrictJsonProblem = 'not_utf8' | 'not_json' | 'too_deep' | 'repeated_member';

// The parser's own message would repeat what was sent.
const MESSAGES: Readonly<Record<StrictJsonProblem, string>> = {
  not_utf8: 'not UTF-8',
  not_json: 'not JSON',
  too_deep: 'nested deeper than it may be',
  repeated_member: 'a member stands twice',
};

export class NotStrictJson extends Error {
  override readonly name = 'NotStrictJson';
  readonly problem: StrictJsonProblem;

  constructor(problem: StrictJsonProblem) {
    super(MESSAGES[problem]);
    this.problem = problem;
  }
}

/** Members named `__proto__` are ordinary members, as `JSON.parse` makes them. @throws NotStrictJson */
export function parseStrictJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = decode(bytes);
  checkDepth(text, maxDepth);
  const value = parse(text);
  checkMembers(text);
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotStrictJson('not_utf8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NotStrictJson('not_json');
  }
}

/** Before `JSON.parse`, so that nothing deep is ever built (CVE-2025-6203). */
function checkDepth(text: string, maxDepth: number): void {
  let depth = 0;
  for (const token of tokens(text)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth > maxDepth) throw new NotStrictJson('too_deep');
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
  const name = token.includes('\\') ? String(JSON.parse(token)) : token.slice(1, -1);
  if (names.has(name)) throw new NotStrictJson('repeated_member');
  names.add(name);
}

/** Brackets, commas and whole strings, in order; numbers, literals, colons and white space are passed over. */
function* tokens(text: string): Generator<string> {
  const next = /[[\]{},"]/g;
  for (let found = next.exec(text); found !== null; found = next.exec(text)) {
    if (found[0] === '"') next.lastIndex = endOfString(text, found.index);
    yield text.slice(found.index, next.lastIndex);
  }
}

function endOfString(text: string, start: number): number {
  const special = /["\\]/g;
  special.lastIndex = start + 1;
  for (let found = special.exec(text); found !== null; found = special.exec(text)) {
    if (found[0] === '"') return special.lastIndex;
    special.lastIndex++;
  }
  return text.length;
}
