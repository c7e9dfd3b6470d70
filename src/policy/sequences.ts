/** Counts comparisons, so that whoever compares thousands of patterns can stop in time. */
export interface Meter {
  steps: number;
}

/**
 * Sequences in which an element stands for one symbol, or is a gap: any run of symbols, also none. Path patterns are
 * such sequences of segments, and their segments such sequences of characters.
 */
export interface Elements<T> {
  isGap(element: T): boolean;
  /** Stands for any symbol. In a run of these and gaps, gaps come last. */
  isAny(element: T): boolean;
  /** Whether `outer` takes each symbol that `inner` stands for. Never asked about gaps. */
  covers(outer: T, inner: T): boolean;
  /** Whether the two may stand for the same symbol. Never asked about gaps. */
  meets(a: T, b: T): boolean;
}

/**
 * Whether every sequence of symbols that `inner` stands for, `outer` stands for too. True is always right. `outer` is
 * run as an automaton over `inner`: `reached` are its places that can follow what was read, whatever that stood for.
 */
export function sequenceCovers<T>(outer: readonly T[], inner: readonly T[], of: Elements<T>, meter: Meter): boolean {
  let reached = withoutGaps([0], outer, of);
  for (const element of inner) {
    const next: number[] = [];
    for (const place of reached) {
      meter.steps++;
      const at = outer[place];
      if (at === undefined) continue;
      const stays = of.isGap(at) || (of.isGap(element) && isBeforeGap(outer, place, of));
      if (stays) next.push(place);
      else if (!of.isGap(element) && of.covers(at, element)) next.push(place + 1);
    }
    reached = withoutGaps(next, outer, of);
  }
  return reached.has(outer.length);
}

/** In "at least three symbols" (`? ? ? *`) a gap of `inner` may come at any place, not only at the last. */
function isBeforeGap<T>(outer: readonly T[], place: number, of: Elements<T>): boolean {
  for (let at = place; ; at++) {
    const element = outer[at];
    if (element === undefined) return false;
    if (of.isGap(element)) return true;
    if (!of.isAny(element)) return false;
  }
}

/** Whether a sequence of symbols may exist that both stand for. False is always right. */
export function sequencesMeet<T>(a: readonly T[], b: readonly T[], of: Elements<T>, meter: Meter): boolean {
  let reached = withoutGaps([0], a, of);
  for (const element of b) {
    const next: number[] = [];
    for (const place of reached) {
      meter.steps++;
      const at = a[place];
      if (of.isGap(element)) {
        // It takes as much of `a` as one likes; the first place reaches all that the others do.
        for (let later = place; later <= a.length; later++) next.push(later);
        break;
      }
      if (at === undefined) continue;
      if (of.isGap(at)) next.push(place);
      else if (of.meets(at, element)) next.push(place + 1);
    }
    reached = withoutGaps(next, a, of);
  }
  return reached.has(a.length);
}

/** Adds the places behind gaps, as a gap may stand for nothing. In ascending order. */
function withoutGaps<T>(places: readonly number[], sequence: readonly T[], of: Elements<T>): ReadonlySet<number> {
  const all = new Set<number>();
  for (const from of places) {
    for (let place = from; !all.has(place); place++) {
      all.add(place);
      const at = sequence[place];
      if (at === undefined || !of.isGap(at)) break;
    }
  }
  return all;
}
