import type { Glob, GlobStep, TemplateValues } from './glob.ts';
import { type Elements, type Meter, sequenceCovers, sequencesMeet } from './sequences.ts';

/**
 * Whether every path that `inner` matches is matched by `outer` too. `outer`'s templates stand for the given values
 * (null: the pattern matches nothing), `inner`'s for any segment at all, as it may be meant for anybody.
 *
 * Sound, not complete: true is always right; false may be said of a pair of odd patterns that do cover.
 */
export function covers(outer: Glob, inner: Glob, values: TemplateValues, meter: Meter = { steps: 0 }): boolean {
  if (outer.steps.some((step) => step.type === 'template' && values[step.name] === null)) return false;
  return sequenceCovers(fill(outer.steps, values), fill(inner.steps, NO_VALUES), stepsOf(meter), meter);
}

/**
 * Whether a path may exist that both patterns match. Templates of `a` stand for the given values; where there is none,
 * and in `b`, for any segment. False is always right.
 */
export function intersects(a: Glob, b: Glob, values: TemplateValues, meter: Meter = { steps: 0 }): boolean {
  return sequencesMeet(fill(a.steps, values), fill(b.steps, NO_VALUES), stepsOf(meter), meter);
}

const NO_VALUES: TemplateValues = { 'identity.key': null, 'tenant.id': null };

/** Puts values in place of templates: a literal, or any segment where there is no value. */
function fill(steps: readonly GlobStep[], values: TemplateValues): readonly GlobStep[] {
  return steps.map((step) => {
    if (step.type !== 'template') return step;
    const text = values[step.name];
    return text === null ? { type: 'any' } : { type: 'literal', text };
  });
}

function stepsOf(meter: Meter): Elements<GlobStep> {
  const bothLiteral = (a: GlobStep, b: GlobStep) => a.type === 'literal' && b.type === 'literal';
  return {
    isGap: (step) => step.type === 'gap',
    isAny: (step) => step.type === 'any',
    covers: (outer, inner) =>
      bothLiteral(outer, inner)
        ? textOf(outer) === textOf(inner)
        : sequenceCovers(charactersOf(outer), charactersOf(inner), CHARACTERS, meter),
    meets: (a, b) =>
      bothLiteral(a, b) ? textOf(a) === textOf(b) : sequencesMeet(charactersOf(a), charactersOf(b), CHARACTERS, meter),
  };
}

const CHARACTERS: Elements<string> = {
  isGap: (character) => character === '*',
  isAny: (character) => character === '?',
  covers: (outer, inner) => outer === '?' || outer === inner,
  meets: (a, b) => a === '?' || b === '?' || a === b,
};

/** A segment is never empty: the pattern `*` stands for at least one character. */
function textOf(step: GlobStep): string {
  return 'text' in step ? step.text : '?*';
}

/** In a run of `?` and `*` every `?` first, then one `*`. */
function charactersOf(step: GlobStep): readonly string[] {
  return [...textOf(step).replace(/[*?]*\*[*?]*/g, (run) => `${run.replaceAll('*', '')}*`)];
}
