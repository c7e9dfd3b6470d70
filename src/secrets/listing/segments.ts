import type { PathPattern, Reach } from '../../contract/permissions.ts';
import { rangeOf } from './pattern-range.ts';

/** A stretch of the index that may hold paths which a caller reaches. */
export interface Segment {
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  /** Regular expression that a path has to match; empty: none. */
  readonly allow: string;
  /** Regular expression that a path must not match; empty: none. */
  readonly deny: string;
  /** Whether that is all there is to say. If not, more paths than those reached pass. */
  readonly exact: boolean;
}

/**
 * A longer expression costs the database more for each row than judging the row here, and one that is made to be slow
 * could take it minutes (measured: docs/listing.md).
 */
const MAX_EXPRESSION = 512;

/** What the patterns of one effect say about one place of the index. */
class Cover {
  #whole = 0;
  readonly #expressions = new Map<string, number>();
  #length = 0;

  get isWhole(): boolean {
    return this.#whole > 0;
  }

  get isEmpty(): boolean {
    return this.#whole === 0 && this.#expressions.size === 0;
  }

  /** Which paths match, of a place that is not covered whole; null: too much to say. */
  get expression(): string | null {
    if (this.#expressions.size === 0) return '';
    return this.#length > MAX_EXPRESSION ? null : `^(?:${[...this.#expressions.keys()].join('|')})$`;
  }

  begin(expression: string | null): void {
    if (expression === null) {
      this.#whole++;
      return;
    }
    const times = this.#expressions.get(expression) ?? 0;
    this.#expressions.set(expression, times + 1);
    if (times === 0) this.#length += expression.length + 1;
  }

  end(expression: string | null): void {
    if (expression === null) {
      this.#whole--;
      return;
    }
    const times = this.#expressions.get(expression) ?? 0;
    if (times > 1) {
      this.#expressions.set(expression, times - 1);
      return;
    }
    this.#expressions.delete(expression);
    this.#length -= expression.length + 1;
  }
}

interface Edge {
  readonly at: string;
  readonly cross: () => void;
}

/** Where the patterns begin and end between two places of the index. */
function* edgesOf(patterns: readonly PathPattern[], cover: Cover, from: string, to: string): Generator<Edge> {
  for (const pattern of patterns) {
    const range = rangeOf(pattern);
    if (range === null) continue;
    const { expression } = range;
    const begin = range.from < from ? from : range.from;
    const end = range.to > to ? to : range.to;
    if (begin >= end) continue;
    yield { at: begin, cross: () => cover.begin(expression) };
    yield { at: end, cross: () => cover.end(expression) };
  }
}

/**
 * What a caller reaches between two places of the index, as few stretches as say it, in order. Sweeps over the places
 * where patterns begin and end: `n log n` steps for `n` patterns, whatever they look like.
 */
export function segmentsOf(reach: Reach, from: string, to: string): readonly Segment[] {
  const [allow, deny] = [new Cover(), new Cover()];
  const edges = [...edgesOf(reach.allow, allow, from, to), ...edgesOf(reach.deny, deny, from, to)];
  edges.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const segments: Segment[] = [];
  for (const [index, edge] of edges.entries()) {
    edge.cross();
    const next = edges[index + 1]?.at ?? edge.at;
    if (next > edge.at) append(segments, edge.at, next, allow, deny);
  }
  return segments;
}

function append(segments: Segment[], from: string, to: string, allow: Cover, deny: Cover): void {
  if (allow.isEmpty || deny.isWhole) return;
  const allowing = allow.isWhole ? '' : allow.expression;
  const denying = deny.expression;
  const said = { allow: allowing ?? '', deny: denying ?? '', exact: allowing !== null && denying !== null };
  const last = segments.at(-1);
  const continues = last?.to === from && last.allow === said.allow && last.deny === said.deny;
  if (last !== undefined && continues && last.exact === said.exact) segments[segments.length - 1] = { ...last, to };
  else segments.push({ from, to, ...said });
}
