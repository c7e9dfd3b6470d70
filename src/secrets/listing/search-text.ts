/**
 * A regular expression that finds a text in any case. Spelled out character by character with Unicode's own case pairs:
 * what the database takes for the same letter depends on its locale. Everything else in the text stands for itself.
 */
export function anyCase(text: string): string {
  return Array.from(text, (character) => {
    const variants = variantsOf(character);
    return variants.length === 1 ? literal(character) : `[${variants.join('')}]`;
  }).join('');
}

/** Characters only: `SS` is no case of `ß` that could stand in its place. */
function variantsOf(character: string): readonly string[] {
  const lower = character.toLowerCase();
  const upper = character.toUpperCase();
  const all = [character, lower, upper, upper.toLowerCase(), lower.toUpperCase()];
  return [...new Set(all)].filter((variant) => Array.from(variant).length === 1);
}

/** ASCII other than letters and digits may mean something; behind a backslash it never does. */
function literal(character: string): string {
  return /[!-/:-@[-`{-~ ]/.test(character) ? `\\${character}` : character;
}
