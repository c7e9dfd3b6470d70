import { readFileSync, writeFileSync } from 'node:fs';

/** Whether a committed page is the one that its table makes. */
export function isPageCurrent(file: string, page: string): boolean {
  try {
    return readFileSync(file, 'utf8') === page;
  } catch {
    // No page at all is a stale one.
    return false;
  }
}

/**
 * What a generator does when it is run: writes its page or, with `--check`, only says whether it is stale.
 * @param name of the page as the repository knows it, `docs/errors.md`
 * @param generator the script to run, for the hint
 */
export function writeOrCheckPage(file: string, page: string, name: string, generator: string): void {
  if (!process.argv.includes('--check')) {
    writeFileSync(file, page);
  } else if (!isPageCurrent(file, page)) {
    console.error(`${name} is stale. Run: node ${generator}`);
    process.exitCode = 1;
  }
}
