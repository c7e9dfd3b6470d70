import { MAX_DURATION_MS, parseDuration } from '../../lib/durations.ts';
import { Invalid, type Kind, kind, refuseControls } from './kind.ts';

export const text = kind('a text', (value) => value);

/** Not trimmed and not judged: only its owner knows what a password may look like. */
export const secretText: Kind<string> = { form: 'a text', parse: refuseControls };

export const filePath = kind('a path of a file', (value) => value);

export const boolean = kind('true or false', (value) => (value === 'true' ? true : value === 'false' ? false : null));

/** A text that a pattern describes; the pattern must be linear (no nested repetition). */
export function matching(form: string, pattern: RegExp): Kind<string> {
  return kind(form, (value) => (pattern.test(value) ? value : null));
}

export function integer(min: number, max: number): Kind<number> {
  return kind(`a whole number from ${min} to ${max}`, (value) => {
    if (!/^\d{1,15}$/.test(value)) return null;
    const number = Number(value);
    return number >= min && number <= max ? number : null;
  });
}

export function choice<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  return kind(`one of ${words.join(', ')}`, (value) => words.find((word) => word === value) ?? null);
}

/** Milliseconds, between two durations (both included). */
export function duration(min: string, max: string): Kind<number> {
  const least = parseDuration(min) ?? 0;
  const most = parseDuration(max) ?? MAX_DURATION_MS;
  return kind(`a duration such as 90d, 48h, 15m, 30s or 1d12h, from ${min} to ${max}`, (value) => {
    const ms = parseDuration(value);
    return ms !== null && ms >= least && ms <= most ? ms : null;
  });
}

const SIZE = /^(\d{1,15})(B|KiB|MiB|GiB)?$/;
const SIZE_UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

function parseSize(value: string): number | null {
  const match = SIZE.exec(value);
  if (match === null) return null;
  const unit = (match[2] ?? 'B') as keyof typeof SIZE_UNITS;
  const bytes = Number(match[1]) * SIZE_UNITS[unit];
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Bytes, between two sizes (both included). */
export function size(min: string, max: string): Kind<number> {
  const least = parseSize(min) ?? 0;
  const most = parseSize(max) ?? 0;
  return kind(`a size in bytes or with KiB, MiB, GiB, from ${min} to ${max}`, (value) => {
    const bytes = parseSize(value);
    return bytes !== null && bytes >= least && bytes <= most ? bytes : null;
  });
}

/** One word that stands beside the values of another kind: `off`, `auto`. */
export function orWord<T, const Word extends string>(inner: Kind<T>, word: Word): Kind<T | Word> {
  return { form: `${inner.form}, or ${word}`, parse: (value) => (value === word ? word : inner.parse(value)) };
}

export interface ListOptions {
  readonly form: string;
  /** What stands between two items; white space around an item never counts. */
  readonly separator?: RegExp;
}

/** Items of one kind, at least one. A problem names the item by its number, never by its text. */
export function list<T>(item: Kind<T>, { form, separator = /,/ }: ListOptions): Kind<readonly T[]> {
  return {
    form,
    parse: (value) => {
      const items = value.trim().split(separator);
      return items.map((entry, index) => parseItem(item, entry.trim(), index + 1));
    },
  };
}

function parseItem<T>(item: Kind<T>, entry: string, place: number): T {
  if (entry === '') throw new Invalid(`item ${place} of the list is empty`);
  let found: T | null;
  try {
    found = item.parse(entry);
  } catch (error) {
    if (error instanceof Invalid) throw new Invalid(`item ${place} of the list ${error.message}`);
    throw error;
  }
  if (found === null) throw new Invalid(`item ${place} of the list must be ${item.form}`);
  return found;
}
