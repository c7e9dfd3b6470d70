/** Generators of paths and patterns, and a slow matcher that shares no code with the house's. */
import fc from 'fast-check';
import type { SecretPath } from '../../src/contract/names.ts';
import type { Permission } from '../../src/contract/permissions.ts';
import { parseGlob, type TemplateValues } from '../../src/policy/glob.ts';
import { permissionIndex } from '../../src/policy/permission-mask.ts';
import { GlobTrie } from '../../src/policy/trie.ts';

export const NO_VALUES: TemplateValues = { 'identity.key': null, 'tenant.id': null };
export const VALUES: TemplateValues = { 'identity.key': 'ab', 'tenant.id': 'b' };
export const ALL = 63;

/** Few letters and short words, so that patterns and paths meet often. */
const letter = fc.constantFrom('a', 'b', '-');
export const word = fc.string({ unit: letter, minLength: 1, maxLength: 4 });
export const path = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join('/') as SecretPath);

const wild = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 5 });
const plain = fc.oneof(
  { weight: 4, arbitrary: word },
  { weight: 3, arbitrary: wild.filter((text) => !text.includes('**')) },
  { weight: 2, arbitrary: fc.constant('*') },
);
const withTemplates = fc.oneof(
  { weight: 6, arbitrary: plain },
  { weight: 1, arbitrary: fc.constantFrom('{{identity.key}}', '{{tenant.id}}') },
);
const patternOf = (segment: fc.Arbitrary<string>) =>
  fc
    .array(fc.oneof({ weight: 3, arbitrary: segment }, { weight: 1, arbitrary: fc.constant('**') }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((segments) => segments.filter((text, at) => text !== '**' || segments[at - 1] !== '**').join('/'));

export const plainPattern = patternOf(plain);
export const pattern = patternOf(withTemplates);

/** The path that a number of characters spells out, for a pattern's own paths: what random words would seldom hit. */
export function pathIn(text: string): fc.Arbitrary<string> {
  const segments = text.split('/').map((segment) => {
    if (segment === '**') return fc.array(word, { maxLength: 2 }).map((words) => words.join('/'));
    if (segment === '*') return word;
    if (segment.startsWith('{{')) return fc.constantFrom('ab', 'b', 'a');
    const characters = [...segment].map((character) => {
      if (character === '*') return fc.string({ unit: letter, maxLength: 2 });
      return character === '?' ? letter : fc.constant(character);
    });
    return fc.tuple(...characters).map((parts) => parts.join(''));
  });
  return fc.tuple(...segments).map((parts) => parts.filter((part) => part !== '').join('/') || 'a');
}

/**
 * The rulings' words as a regular expression. `unexpanded` is what a template without a value matches.
 */
export function reference(
  text: string,
  values: TemplateValues,
  unexpanded: 'nothing' | 'anything' = 'nothing',
): RegExp {
  if (text === '**') return /^[^/]+(\/[^/]+)*$/;
  const segments = text.split('/');
  const source = segments.map((segment, at) => {
    const last = at === segments.length - 1;
    if (segment === '**' && at === 0) return '([^/]+/)+';
    if (segment === '**' && last) return '[^/]+(/[^/]+)*';
    if (segment === '**') return '([^/]+/)*';
    return one(segment, values, unexpanded) + (last ? '' : '/');
  });
  return new RegExp(`^${source.join('')}$`);
}

function one(segment: string, values: TemplateValues, unexpanded: 'nothing' | 'anything'): string {
  if (segment === '*') return '[^/]+';
  const template = /^\{\{(identity\.key|tenant\.id)\}\}$/.exec(segment)?.[1] as keyof TemplateValues | undefined;
  if (template !== undefined) return values[template] ?? (unexpanded === 'anything' ? '[^/]+' : '(?!)');
  return segment.replace(/[*?]/g, (wildcard) => (wildcard === '*' ? '[^/]*' : '[^/]'));
}

/** Whether one pattern matches, as the house sees it. */
export function matches(text: string, onPath: string, values: TemplateValues = NO_VALUES): boolean {
  const trie = new GlobTrie('matches_nothing');
  trie.add(parseGlob(text), ALL, 0);
  return trie.first(onPath, permissionIndex('read'), values) === 0;
}

export const permission = fc.constantFrom<Permission>('read', 'write', 'delete', 'list', 'rotate', 'admin');
