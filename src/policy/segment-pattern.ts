/** `a` to `z`, `0` to `9`, `-`, `_`: all that a segment of a path is made of. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789-_';
const SYMBOL = new Int8Array(128).fill(-1);
for (const [symbol, character] of [...ALPHABET].entries()) SYMBOL[character.charCodeAt(0)] = symbol;

const WORD = 32;

/**
 * A segment with `*` (any run of characters, also none) and `?` (one character) in it.
 *
 * Matching is the bit-parallel simulation of the pattern's automaton, 32 positions a machine word, so it takes as many
 * steps as the segment has characters, times the words, whatever the pattern looks like: there is no backtracking that
 * could be made to explode. Source: Baeza-Yates and Gonnet, "A new approach to text searching", 1992; Navarro and
 * Raffinot, "Flexible Pattern Matching in Strings", 2002, section 4.
 */
export class SegmentPattern {
  readonly text: string;
  /** What stands before the first wildcard; every match begins with it. */
  readonly prefix: string;
  readonly #words: number;
  /** For each symbol and word: the positions that take this character. */
  readonly #takes: Uint32Array;
  /** The positions that a `*` stands before: they stay reached whatever comes. */
  readonly #stays: Uint32Array;
  readonly #end: number;
  readonly #reached: Uint32Array;

  constructor(text: string) {
    this.text = text;
    this.prefix = /^[^*?]*/.exec(text)?.[0] ?? '';
    const end = text.replaceAll('*', '').length;
    this.#end = end;
    this.#words = Math.floor(end / WORD) + 1;
    this.#takes = new Uint32Array(ALPHABET.length * this.#words);
    this.#stays = new Uint32Array(this.#words);
    this.#reached = new Uint32Array(this.#words);
    let position = 0;
    for (const character of text) {
      if (character === '*') setBit(this.#stays, 0, position);
      else this.#accept(character, position++);
    }
  }

  /** Machine words that one character of a segment costs. */
  get words(): number {
    return this.#words;
  }

  /** Whether a whole segment matches. Takes `segment.length * words` steps. */
  matches(segment: string): boolean {
    const words = this.#words;
    const reached = this.#reached.fill(0);
    reached[0] = 1;
    for (let at = 0; at < segment.length; at++) {
      const symbol = SYMBOL[segment.charCodeAt(at)] ?? -1;
      if (symbol < 0) return false;
      let carry = 0;
      for (let word = 0; word < words; word++) {
        const before = reached[word] ?? 0;
        const took = before & (this.#takes[symbol * words + word] ?? 0);
        reached[word] = (took << 1) | carry | (before & (this.#stays[word] ?? 0));
        carry = took >>> (WORD - 1);
      }
    }
    return (((reached[this.#end >>> 5] ?? 0) >>> (this.#end & 31)) & 1) === 1;
  }

  #accept(character: string, position: number): void {
    for (let symbol = 0; symbol < ALPHABET.length; symbol++) {
      if (character === '?' || character === ALPHABET[symbol]) setBit(this.#takes, symbol * this.#words, position);
    }
  }
}

function setBit(words: Uint32Array, offset: number, position: number): void {
  const word = offset + (position >>> 5);
  words[word] = (words[word] ?? 0) | (1 << (position & 31));
}
