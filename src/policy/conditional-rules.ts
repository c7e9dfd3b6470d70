import type { Conditions } from './conditions/conditions.ts';
import type { ConditionName, Findings } from './conditions/findings.ts';
import type { TemplateValues } from './glob.ts';
import type { PermissionMask } from './permission-mask.ts';
import type { Effect, Rule } from './rules.ts';
import { GlobTrie } from './trie.ts';

/** What rules with conditions say about one question. */
export interface Sighting {
  /** The lowest number of one that applies, or -1. */
  readonly applying: number;
  /** What keeps the first of the others from applying; null: no other matches. */
  readonly failed: ConditionName | null;
}

export const NOTHING: Sighting = Object.freeze({ applying: -1, failed: null });

/**
 * Rules of one effect that have conditions, beside the automaton of those that have none: of these every match is looked
 * at, since which one applies depends on the request. Rules that differ in nothing but their number are one.
 */
export class ConditionalRules {
  readonly #effect: Effect;
  readonly #trie: GlobTrie;
  readonly #conditions = new Map<number, Conditions>();
  /** By pattern and conditions, the permissions that a rule with a lower number has. */
  readonly #added = new Map<string, PermissionMask>();

  constructor(effect: Effect) {
    this.#effect = effect;
    this.#trie = new GlobTrie(effect === 'allow' ? 'matches_nothing' : 'matches_any_segment');
  }

  /** Adds a rule under a number higher than those before it. */
  add({ glob, permissions }: Rule, conditions: Conditions, number: number): void {
    const key = `${glob.text} ${conditions.text}`;
    const added = this.#added.get(key) ?? 0;
    const fresh = permissions & ~added;
    if (fresh === 0) return;
    this.#added.set(key, added | fresh);
    this.#trie.addEach(glob, fresh, number);
    this.#conditions.set(number, conditions);
  }

  look(path: string, permission: number, values: TemplateValues, findings: Findings): Sighting {
    let [applying, hindered] = [-1, -1];
    let failed: ConditionName | null = null;
    this.#trie.each(path, permission, values, (rule) => {
      // One with a lower number applies already: this one changes nothing.
      if (applying >= 0 && rule > applying) return;
      const hindrance = findings.against(this.#effect, this.#conditions.get(rule) ?? null);
      if (hindrance === null) applying = rule;
      else if (hindered < 0 || rule < hindered) [hindered, failed] = [rule, hindrance];
    });
    return { applying, failed };
  }
}
