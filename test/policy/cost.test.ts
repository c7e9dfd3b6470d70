import * as assert from 'uvu/assert';
import { parseGlob } from '../../src/policy/glob.ts';
import { SegmentPattern } from '../../src/policy/segment-pattern.ts';
import { GlobTrie } from '../../src/policy/trie.ts';
import { suite } from '../support/suite.ts';
import { ALL, NO_VALUES } from './patterns.ts';

// Steps are counted rather than timed: they say the same on every machine.
const test = suite('what a decision costs');

function stepsOf(patterns: readonly string[], onPath: string): number {
  const trie = new GlobTrie('matches_nothing');
  for (const [index, text] of patterns.entries()) trie.add(parseGlob(text), ALL, index);
  trie.first(onPath, 0, NO_VALUES);
  return trie.steps;
}

test('nested globstars that look exponential cost no more than path times pattern', () => {
  const onPath = Array(10).fill('a').join('/');
  const nested = Array.from({ length: 500 }, (_, at) => `${'**/a/'.repeat((at % 9) + 1)}b${at}`);
  const nodes = nested.reduce((sum, text) => sum + 2 * text.split('/').length, 0);
  assert.ok(stepsOf(nested, onPath) <= 11 * nodes);
  assert.ok(stepsOf(['**/a/**/a/**/a/**/a/**/b'], onPath) <= 11 * 11);
});

test('stars that look exponential cost one step a character and 32 positions', () => {
  const segment = 'a'.repeat(500);
  for (const text of [
    `${'*a'.repeat(250)}b`,
    `${'a*'.repeat(30)}b`,
    `*${'a?'.repeat(200)}b*`,
    `${'?*'.repeat(200)}b`,
  ]) {
    const steps = stepsOf([text], segment);
    assert.ok(steps <= 2 + segment.length * new SegmentPattern(text).words, `${text.slice(0, 10)}: ${steps}`);
    assert.ok(new SegmentPattern(text).words <= text.length / 32 + 1);
  }
});

test('a path of 10,000 rules is found without looking at the others', () => {
  const literal = Array.from({ length: 10_000 }, (_, at) => `team-${at % 100}/app-${at}/**`);
  assert.ok(stepsOf(literal, 'team-7/app-107/db/password') <= 6);
  const wild = Array.from({ length: 10_000 }, (_, at) => `team-${at % 100}/app-${String(at).padStart(5, '0')}-*/db`);
  assert.ok(stepsOf(wild, 'team-7/app-00107-x/db') <= 30);
});

test('rules that do not hold the permission are not walked', () => {
  const trie = new GlobTrie('matches_nothing');
  for (let at = 0; at < 1000; at++) trie.add(parseGlob(`**/a/**/${'?'.repeat((at % 500) + 1)}`), 1, at);
  trie.first('a/a/a/a/a/a', 1, NO_VALUES);
  assert.is(trie.steps, 0);
});

test('double the path, at most double the cost', () => {
  const patterns = ['**/a*b?/**', '*/**/*a*/**', 'a/**/b/**/c'];
  const short = stepsOf(patterns, Array(5).fill('aab').join('/'));
  const long = stepsOf(patterns, Array(10).fill('aab').join('/'));
  assert.ok(long <= 2 * short + 10, `${short} ${long}`);
});

test.run();
