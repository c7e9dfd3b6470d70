import type { PathPattern, PatternStep } from '../../contract/permissions.ts';
import { after, beyond } from './index-order.ts';

/** Where the paths lie that a pattern matches. */
export interface PatternRange {
  /** First place in the index, and the first one that does not belong to it any more. */
  readonly from: string;
  readonly to: string;
  /** Which paths of the range match, as a regular expression without anchors; null: every one. */
  readonly expression: string | null;
}

// What a regular expression is made of comes from these alone: nobody's syntax gets into one.
const LITERAL = /^[a-z0-9_-]+$/;
const WILDCARD = /^[a-z0-9_*?-]+$/;

const SEGMENT = '[^/]+';

/** @returns null when no legal path can match */
export function rangeOf(pattern: PathPattern): PatternRange | null {
  if (!pattern.every(isLegal)) return null;
  const head = headOf(pattern);
  if (pattern.every(isLiteral)) return { from: head, to: after(head), expression: null };
  return { from: head, to: beyond(head), expression: isSubtree(pattern) ? null : expressionOf(pattern) };
}

function isLegal(step: PatternStep): boolean {
  if (step.type === 'literal') return LITERAL.test(step.text);
  return step.type !== 'wildcard' || WILDCARD.test(step.text);
}

function isLiteral(step: PatternStep): boolean {
  return step.type === 'literal';
}

/** `p/**` and `**`: literals, then one segment or more. */
function isSubtree(pattern: PathPattern): boolean {
  const [any, gap] = pattern.slice(-2);
  return any?.type === 'any' && gap?.type === 'gap' && pattern.slice(0, -2).every(isLiteral);
}

/** What every match begins with. */
function headOf(pattern: PathPattern): string {
  let head = '';
  for (const [index, step] of pattern.entries()) {
    if (step.type === 'wildcard') head += /^[^*?]*/.exec(step.text)?.[0] ?? '';
    if (step.type !== 'literal') break;
    const goesOn = pattern.slice(index + 1).some(({ type }) => type !== 'gap');
    head += goesOn ? `${step.text}/` : step.text;
  }
  return head;
}

function expressionOf(pattern: PathPattern): string {
  let expression = '';
  let begun = false;
  let gap = false;
  for (const step of pattern) {
    if (step.type === 'gap') {
      gap = true;
      continue;
    }
    expression += `${begun ? '/' : ''}${gap ? `(?:${SEGMENT}/)*` : ''}${segmentOf(step)}`;
    begun = true;
    gap = false;
  }
  if (!gap) return expression;
  return begun ? `${expression}(?:/${SEGMENT})*` : `${SEGMENT}(?:/${SEGMENT})*`;
}

function segmentOf(step: Exclude<PatternStep, { type: 'gap' }>): string {
  if (step.type === 'any') return SEGMENT;
  return step.text.replace(/[*?]/g, (wildcard) => (wildcard === '*' ? '[^/]*' : '[^/]'));
}
