import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { strayEntries, strayStatements } from './house.ts';

// Files that exist and are not ignored, committed or not.
const listing = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  encoding: 'utf8',
});
const paths = listing.split('\0').filter((path) => path !== '' && existsSync(path));

const problems = [
  ...strayEntries(paths),
  ...paths.filter((path) => path.endsWith('.ts')).flatMap((path) => strayStatements(path, readFileSync(path, 'utf8'))),
];
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
