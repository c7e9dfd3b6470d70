import * as assert from 'uvu/assert';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { parseRootBlock, rootBlock } from '../../src/keys/root-block.ts';
import { type OpenedRoot, successionRecord, verifySuccession } from '../../src/keys/succession.ts';
import { newId } from '../../src/lib/ids.ts';
import { suite } from '../support/suite.ts';
import { refuses } from './fixtures.ts';

const test = suite('what vouches for a root key');
const context = { installationId: newId('ins'), rootKeyId: newId('rk'), version: 1 };
const key = KeyMaterial.generate();
const block = rootBlock(key, context);

test('a block opens where it belongs, and fits into RSA-OAEP with 2048 bits', () => {
  assert.ok(parseRootBlock(Buffer.from(block), context).equals(key));
  assert.ok(block.length <= 190, `${block.length} bytes`);
});

test('a block of another installation, root key or version is told apart', async () => {
  const other = { ...context, installationId: newId('ins') };
  await refuses('other_installation', () => parseRootBlock(block, other), context.installationId, other.installationId);
  await refuses(
    'other_root_key',
    () => parseRootBlock(block, { ...context, rootKeyId: newId('rk') }),
    context.rootKeyId,
  );
  await refuses('other_root_key', () => parseRootBlock(block, { ...context, version: 2 }), 'version 1');
});

test('every altered bit is refused: a service without associated data would not notice', () => {
  for (let bit = 0; bit < block.length * 8; bit++) {
    const altered = Buffer.from(block);
    altered[bit >> 3]! ^= 1 << (bit & 7);
    try {
      parseRootBlock(altered, context);
    } catch (error) {
      assert.match((error as { kind: string }).kind, /^(root_block_malformed|root_check_failed)$/);
      continue;
    }
    assert.unreachable(`bit ${bit}`);
  }
});

test('cut or lengthened it is malformed, and so is a bare key', async () => {
  for (let length = 0; length < block.length; length++) {
    await refuses('root_block_malformed', () => parseRootBlock(block.subarray(0, length), context));
  }
  await refuses('root_block_malformed', () => parseRootBlock(Buffer.concat([block, Buffer.of(0)]), context));
  await refuses('root_block_malformed', () => parseRootBlock(Buffer.alloc(32, 1), context));
});

function version(number: number, before?: OpenedRoot): OpenedRoot {
  const material = KeyMaterial.generate();
  const identity = {
    id: newId('rk'),
    version: number,
    fingerprint: material.fingerprint(),
    createdAt: new Date(1_800_000_000_000 + number),
  };
  return { ...identity, material, succession: before ? successionRecord(before.material, identity) : null };
}

const first = version(1);
const second = version(2, first);
const third = version(3, second);

test('a chain of versions that vouch for each other is believed', () => {
  verifySuccession([], null);
  verifySuccession([first], null);
  verifySuccession([first, second, third], null);
  verifySuccession([first, second, third], first.fingerprint);
});

test('a version that the one before did not vouch for is refused by its name', async () => {
  const refusedAs = (chain: OpenedRoot[]) =>
    refuses('succession_invalid', () => verifySuccession(chain, null), chain.at(-1)!.id);
  await refusedAs([first, version(2)]);
  await refusedAs([first, version(2, version(1))]);
  await refusedAs([first, third]);
  await refusedAs([first, { ...second, succession: Buffer.alloc(32) }]);
  await refusedAs([first, { ...second, id: newId('rk') }]);
  await refusedAs([first, { ...second, createdAt: new Date(0) }]);
  await refusedAs([first, { ...second, fingerprint: third.fingerprint }]);
  await refusedAs([first, { ...third, succession: successionRecord(first.material, third) }]);
});

test('where the first version is gone, only a pinned fingerprint can vouch for the second', async () => {
  const hex = second.fingerprint.toString('hex');
  await refuses('succession_invalid', () => verifySuccession([second, third], null), `ROOT_KEY_FINGERPRINT=${hex}`);
  verifySuccession([second, third], second.fingerprint);
});

test('another root key than the pinned one is refused, with all 64 digits of both', async () => {
  const [expected, found] = [second.fingerprint, first.fingerprint];
  await refuses(
    'fingerprint_pinned',
    () => verifySuccession([first], expected),
    expected.toString('hex'),
    found.toString('hex'),
  );
});

test.run();
