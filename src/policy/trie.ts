import type { Glob, GlobStep, Template, TemplateValues } from './glob.ts';
import type { PermissionMask } from './permission-mask.ts';
import { SegmentPattern } from './segment-pattern.ts';

/** What a template that does not expand does to its rule (spec 12, "Deny, conditions, templates"). */
export type Unexpanded = 'matches_nothing' | 'matches_any_segment';

/** A place in the patterns. Patterns that begin alike share their first nodes. */
class Node {
  literals: Map<string, Node> | null = null;
  any: Node | null = null;
  wildcards: WildcardChildren | null = null;
  templates: Map<Template, Node> | null = null;
  /** Reached without taking a segment. */
  gap: Node | null = null;
  /** Stays reached whatever comes. */
  readonly isGap: boolean;
  /** For each permission, the lowest number of a rule that ends here. */
  lowest: (number | undefined)[] | null = null;
  /** Each rule that ends here, where somebody asks for each. */
  ends: { readonly rule: number; readonly permissions: PermissionMask }[] | null = null;
  /** Permissions of the rules here and below: a walk does not enter where its permission cannot be found. */
  permissions: PermissionMask = 0;
  /** The last stage of a walk that entered here, so that none enters twice. */
  stage = 0;

  constructor(isGap: boolean) {
    this.isGap = isGap;
  }
}

interface WildcardChild {
  readonly pattern: SegmentPattern;
  readonly node: Node;
}

/** Children behind segments with wildcards, found by what stands before the first wildcard. */
class WildcardChildren {
  readonly #byPrefix = new Map<string, Map<string, WildcardChild>>();
  #prefixLengths: readonly number[] = [];

  at(text: string): Node {
    const pattern = new SegmentPattern(text);
    let group = this.#byPrefix.get(pattern.prefix);
    if (group === undefined) {
      group = new Map();
      this.#byPrefix.set(pattern.prefix, group);
      this.#prefixLengths = [...new Set([...this.#prefixLengths, pattern.prefix.length])].sort((a, b) => a - b);
    }
    const child = group.get(text) ?? { pattern, node: new Node(false) };
    group.set(text, child);
    return child.node;
  }

  /** Calls `enter` for every child that matches. Returns the steps that took. */
  each(segment: string, enter: (node: Node) => void): number {
    let steps = 0;
    for (const length of this.#prefixLengths) {
      if (length > segment.length) break;
      const group = this.#byPrefix.get(segment.slice(0, length));
      if (group === undefined) continue;
      for (const { pattern, node } of group.values()) {
        steps += segment.length * pattern.words;
        if (pattern.matches(segment)) enter(node);
      }
    }
    return steps;
  }
}

/**
 * Many path patterns as one automaton over segments, walked once for all of them. A node is entered at most once a
 * segment, so a walk costs at most the path's length times the size of the patterns, however they nest.
 */
export class GlobTrie {
  readonly #root = new Node(false);
  readonly #unexpanded: Unexpanded;
  #entered: Node[] = [];
  #left: Node[] = [];
  #stage = 0;
  #bit: PermissionMask = 0;
  #steps = 0;

  constructor(unexpanded: Unexpanded) {
    this.#unexpanded = unexpanded;
  }

  /** What the last walk cost: nodes entered, and steps of the segment patterns. For tests and benchmarks. */
  get steps(): number {
    return this.#steps;
  }

  /** Adds a rule under its number, for {@link first}. A pattern that can match no path is left out. */
  add(glob: Glob, permissions: PermissionMask, rule: number): void {
    if (glob.impossible !== null) return;
    const node = this.#nodeOf(glob, permissions);
    node.lowest ??= [];
    for (let index = 0; permissions >>> index !== 0; index++) {
      if ((permissions >>> index) & 1) node.lowest[index] = Math.min(node.lowest[index] ?? rule, rule);
    }
  }

  /** As {@link add}, for {@link each}. */
  addEach(glob: Glob, permissions: PermissionMask, rule: number): void {
    if (glob.impossible !== null) return;
    const node = this.#nodeOf(glob, permissions);
    node.ends ??= [];
    node.ends.push({ rule, permissions });
  }

  /**
   * The lowest number among the rules that match a canonical path and hold a permission (its index in `PERMISSIONS`),
   * or -1.
   */
  first(path: string, permission: number, values: TemplateValues): number {
    this.#walk(path, permission, values);
    let first = -1;
    for (const node of this.#entered) {
      const rule = node.lowest?.[permission] ?? -1;
      if (rule >= 0 && (first < 0 || rule < first)) first = rule;
    }
    return first;
  }

  /** Calls `visit` once for each rule that matches a canonical path and holds a permission, in no order. */
  each(path: string, permission: number, values: TemplateValues, visit: (rule: number) => void): void {
    this.#walk(path, permission, values);
    for (const { ends } of this.#entered) {
      if (ends === null) continue;
      this.#steps += ends.length;
      for (const { rule, permissions } of ends) if ((permissions & this.#bit) !== 0) visit(rule);
    }
  }

  #nodeOf(glob: Glob, permissions: PermissionMask): Node {
    let node = this.#root;
    node.permissions |= permissions;
    for (const step of glob.steps) {
      node = childAt(node, step);
      node.permissions |= permissions;
    }
    return node;
  }

  /** Leaves the nodes that the whole path leads to in `#entered`. */
  #walk(path: string, permission: number, values: TemplateValues): void {
    this.#bit = 1 << permission;
    this.#steps = 0;
    this.#entered.length = 0;
    this.#stage++;
    this.#enter(this.#root);
    for (let from = 0; from <= path.length && this.#entered.length > 0; ) {
      const slash = path.indexOf('/', from);
      const to = slash < 0 ? path.length : slash;
      this.#advance(path.slice(from, to), values);
      from = to + 1;
    }
  }

  readonly #enter = (node: Node): void => {
    if ((node.permissions & this.#bit) === 0 || node.stage === this.#stage) return;
    node.stage = this.#stage;
    this.#steps++;
    this.#entered.push(node);
    if (node.gap !== null) this.#enter(node.gap);
  };

  /** Takes one segment: from the nodes reached so far to those reached with it. */
  #advance(segment: string, values: TemplateValues): void {
    const from = this.#entered;
    this.#entered = this.#left;
    this.#entered.length = 0;
    this.#left = from;
    this.#stage++;
    for (const node of from) {
      if (node.isGap) this.#enter(node);
      const literal = node.literals?.get(segment);
      if (literal !== undefined) this.#enter(literal);
      if (node.any !== null) this.#enter(node.any);
      if (node.wildcards !== null) this.#steps += node.wildcards.each(segment, this.#enter);
      if (node.templates !== null) this.#enterTemplates(node.templates, segment, values);
    }
  }

  /** A value is compared, never read as a pattern: `*` in a name matches nothing (GHSA-59w7-v8rr-pr4p). */
  #enterTemplates(templates: ReadonlyMap<Template, Node>, segment: string, values: TemplateValues): void {
    for (const [name, child] of templates) {
      const value = values[name];
      if (value === null ? this.#unexpanded === 'matches_any_segment' : value === segment) this.#enter(child);
    }
  }
}

function childAt(node: Node, step: GlobStep): Node {
  switch (step.type) {
    case 'any':
      node.any ??= new Node(false);
      return node.any;
    case 'gap':
      node.gap ??= new Node(true);
      return node.gap;
    case 'wildcard':
      node.wildcards ??= new WildcardChildren();
      return node.wildcards.at(step.text);
    case 'literal':
      node.literals ??= new Map();
      return childOf(node.literals, step.text);
    case 'template':
      node.templates ??= new Map();
      return childOf(node.templates, step.name);
  }
}

function childOf<Key>(children: Map<Key, Node>, key: Key): Node {
  const child = children.get(key) ?? new Node(false);
  children.set(key, child);
  return child;
}
