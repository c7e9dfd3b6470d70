import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects all garbage and gives its pages back to the system. It stops the process for some 60 ms, so it is for the
 * moment between a start and the first request: what was compiled, parsed and migrated until then would otherwise stay
 * in the resident set for hours, as an idle server has no reason to collect it.
 */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
