import * as assert from 'uvu/assert';
import { testedBlocks } from '../../scripts/test/readme-blocks.ts';
import { suite } from '../support/suite.ts';

const test = suite('README blocks');

const block = (mark: string, command: string) => `Text.\n\n${mark}\n\`\`\`sh\n${command}\n\`\`\`\n`;

test('marked blocks come out in order', () => {
  const readme = [
    block('<!-- tested -->', 'make run'),
    block('<!-- not tested: it takes minutes -->', 'make test'),
    block('<!-- tested -->', '. .scaivault/dev.env\ncurl $X'),
  ].join('\n');
  assert.equal(testedBlocks(readme), ['make run\n', '. .scaivault/dev.env\ncurl $X\n']);
});

test('a block without a mark, or marked as not tested without a reason, is refused', () => {
  const good = block('<!-- tested -->', 'make run');
  assert.throws(() => testedBlocks(good + block('', 'make test')), /no mark/);
  assert.throws(() => testedBlocks(good + block('<!-- not tested: -->', 'make test')), /no mark/);
});

test('a README in which nothing is tested is refused', () => {
  assert.throws(() => testedBlocks('Nothing here.'), /no block is marked/);
  assert.throws(() => testedBlocks(block('<!-- not tested: no reason at all -->', 'make test')), /no block is marked/);
});

test('blocks in other languages need no mark', () => {
  assert.equal(testedBlocks(`${block('<!-- tested -->', 'make run')}\n\`\`\`json\n{}\n\`\`\`\n`), ['make run\n']);
});

test.run();
