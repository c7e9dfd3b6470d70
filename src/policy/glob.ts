import { ApiError } from '../contract/errors.ts';
import { type GlobText, MAX_PATH_LENGTH, MAX_PATH_SEGMENTS } from '../contract/names.ts';

/** What a template stands for is known only when a request arrives. */
export const TEMPLATES = ['identity.key', 'tenant.id'] as const;
export type Template = (typeof TEMPLATES)[number];

/** What the templates expand to for one caller; null: to nothing that is a legal segment. */
export type TemplateValues = Readonly<Record<Template, string | null>>;

/** One step of a pattern: everything but `gap` takes exactly one segment of a path. */
export type GlobStep =
  | { readonly type: 'literal'; readonly text: string }
  /** `*`: any segment. */
  | { readonly type: 'any' }
  /** `a*`, `?-*`: a segment with wildcards in it. */
  | { readonly type: 'wildcard'; readonly text: string }
  | { readonly type: 'template'; readonly name: Template }
  /** Any number of segments, also none. */
  | { readonly type: 'gap' };

/**
 * A parsed path pattern. The three meanings of `**` are gone: at the start, at the end and alone it takes one or more
 * segments and became `any, gap`, in the middle it takes none or more and became `gap`. In a run of the two every `any`
 * stands before the one `gap`, so that patterns which mean the same have the same steps.
 */
export interface Glob {
  readonly text: GlobText;
  readonly steps: readonly GlobStep[];
  /** Why no legal path can ever match; null when one can. */
  readonly impossible: string | null;
}

/** Longer than any path, so that a pattern which is merely too long for one is a warning and no error. */
export const MAX_GLOB_LENGTH = 1024;

const ANY: GlobStep = { type: 'any' };
const GAP: GlobStep = { type: 'gap' };
const SEGMENT = /^[A-Za-z0-9._*?-]+$/;
// Letters that no legal path has, but that people write.
const FOREIGN = /[A-Z.]/;

function malformed(message: string): ApiError {
  return new ApiError('invalid_glob', { message });
}

/**
 * Reads a path pattern (spec 04 "Policies", spec 12 "Globs, final"). A pattern that no legal path can match is accepted
 * and says so in `impossible`.
 * @throws ApiError `invalid_glob`, naming the segment and the rule it breaks
 */
export function parseGlob(raw: string): Glob {
  if (raw === '') throw malformed('The path pattern is empty. Write "**" for every path.');
  if (raw.length > MAX_GLOB_LENGTH) {
    throw malformed(`The path pattern is longer than ${MAX_GLOB_LENGTH} characters.`);
  }
  if (raw.startsWith('/') || raw.endsWith('/')) {
    throw malformed('The path pattern begins or ends with "/". Patterns are written like paths, without it.');
  }
  const segments = raw.split('/');
  const steps: GlobStep[] = [];
  for (const [index, segment] of segments.entries()) {
    if (segment !== '**') {
      append(steps, parseSegment(segment, index + 1));
      continue;
    }
    if (segments[index - 1] === '**') {
      throw malformed(`Segment ${index + 1}: "**" after "**". Write it once.`);
    }
    if (index === 0 || index === segments.length - 1) append(steps, ANY);
    append(steps, GAP);
  }
  return { text: raw as GlobText, steps, impossible: whyImpossible(steps) };
}

/** Keeps every `any` of a run before its one `gap`. */
function append(steps: GlobStep[], step: GlobStep): void {
  const afterGap = steps.at(-1)?.type === 'gap';
  if (!afterGap) steps.push(step);
  else if (step.type === 'any') steps.splice(-1, 0, step);
  else if (step.type !== 'gap') steps.push(step);
}

function parseSegment(text: string, position: number): GlobStep {
  if (text === '') throw malformed(`Segment ${position} is empty. Separate segments by single slashes.`);
  if (text === '*') return ANY;
  if (/[{}]/.test(text)) return parseTemplate(text, position);
  if (text.includes('**')) throw malformed(`Segment ${position}: "**" must stand alone between slashes.`);
  if (!SEGMENT.test(text)) {
    throw malformed(`Segment ${position} has a character that is none of a-z, 0-9, "-", "_", "*" and "?".`);
  }
  return { type: /[*?]/.test(text) ? 'wildcard' : 'literal', text };
}

function parseTemplate(text: string, position: number): GlobStep {
  const name = TEMPLATES.find((template) => text === `{{${template}}}`);
  if (name !== undefined) return { type: 'template', name };
  const known = TEMPLATES.map((template) => `{{${template}}}`).join(' and ');
  throw malformed(`Segment ${position}: the templates are ${known}, each alone in its segment and without spaces.`);
}

function whyImpossible(steps: readonly GlobStep[]): string | null {
  const needed = steps.filter((step) => step.type !== 'gap');
  if (needed.some((step) => 'text' in step && FOREIGN.test(step.text))) {
    return 'Paths have neither upper-case letters nor ".": no path can match this pattern.';
  }
  if (needed.length > MAX_PATH_SEGMENTS) {
    return `Paths have at most ${MAX_PATH_SEGMENTS} segments: no path can match this pattern.`;
  }
  const length = needed.reduce((sum, step) => sum + shortest(step), needed.length - 1);
  return length > MAX_PATH_LENGTH
    ? `Paths have at most ${MAX_PATH_LENGTH} characters: no path can match this pattern.`
    : null;
}

/** Characters that a step takes at least. */
function shortest(step: GlobStep): number {
  return 'text' in step ? step.text.replaceAll('*', '').length : 1;
}
