/**
 * How one kind of value is written in the environment. `form` completes "must be ..." and stands in
 * `docs/configuration.md`.
 */
export interface Kind<T> {
  readonly form: string;
  /**
   * @returns the value, or null where the text is not of this form.
   * @throws Invalid where there is more to say than the form. Its message never holds any part of the text.
   */
  readonly parse: (text: string) => T | null;
}

/** What is wrong with a value, as the end of a sentence that begins with the variable's name. */
export class Invalid extends Error {
  override readonly name = 'Invalid';
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f]/;

/** @throws Invalid: such a value was cut at the wrong place, or would do something to the terminal that shows it. */
export function refuseControls(text: string): string {
  if (CONTROL.test(text)) throw new Invalid('contains a line break or another control character');
  return text;
}

/** A kind of one line. White space around a value is a slip of quoting that would otherwise be found much later. */
export function kind<T>(form: string, parse: (text: string) => T | null): Kind<T> {
  return {
    form,
    parse: (text) => {
      if (refuseControls(text).trim() !== text) throw new Invalid('begins or ends with white space');
      return parse(text);
    },
  };
}
