/**
 * Shell blocks of a README. Before each one stands what becomes of it:
 *
 *     <!-- tested -->                  `scripts/test/readme.ts` runs it
 *     <!-- not tested: because ... --> it cannot be run there, and says why
 */
const BLOCK = /^```(?:sh|bash|shell)\n(.*?)^```$/gms;
const MARK = /<!-- (tested|not tested: \S.*) -->\n+$/;

/** The blocks to run, in order. @throws when a block has no mark or nothing is to be run */
export function testedBlocks(readme: string): string[] {
  const tested: string[] = [];
  for (const match of readme.matchAll(BLOCK)) {
    const mark = MARK.exec(readme.slice(0, match.index))?.[1];
    if (mark === undefined) {
      throw new Error(`README.md: no mark (<!-- tested --> or <!-- not tested: ... -->) before:\n${match[1]}`);
    }
    if (mark === 'tested') tested.push(match[1] ?? '');
  }
  if (tested.length === 0) throw new Error('README.md: no block is marked <!-- tested -->');
  return tested;
}
