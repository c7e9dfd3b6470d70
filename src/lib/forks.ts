import type { ClusterSettings } from 'node:cluster';
import { PACKAGING } from './assets.ts';

/** How `node:cluster` starts this same program once more, with these arguments. */
export function forkSettings(args: readonly string[]): ClusterSettings {
  const [first = '', ...others] = args;
  // The executable has no script: what would be its name is the first argument. Its flags of Node.js are inside, too.
  if (PACKAGING === 'executable') return { exec: first, args: others, execArgv: [] };
  return { exec: process.argv[1] ?? '', args: [...args] };
}
