import type { Environment } from './environment.ts';
import { isVariableName, rowOf, VARIABLE_NAMES } from './variables.ts';

const PREFIXES = ['KMS_', 'RATE_LIMIT_', 'OBJECT_STORAGE_', 'SCAIKEY_', 'AUDIT_', 'DATABASE_', 'TLS_'];

const KNOWN: readonly string[] = VARIABLE_NAMES.flatMap((name) =>
  rowOf(name).secret === undefined ? [name] : [name, `${name}_FILE`],
);

// Longer names are nobody's slip, and the distance below costs the product of two lengths.
const MAX_NAME_LENGTH = 100;

/** Smallest number of inserted, deleted, replaced or swapped neighbouring characters (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length] ?? 0;
}

/** The known name that is nearest to another one; of several the first of the table. */
function nearest(name: string): string {
  let best = '';
  let least = Number.POSITIVE_INFINITY;
  for (const known of KNOWN) {
    const distance = editDistance(name, known);
    if (distance < least) {
      best = known;
      least = distance;
    }
  }
  return best;
}

function sentence(name: string): string {
  const bare = name.replace(/_FILE$/, '');
  if (isVariableName(bare)) return `${name} has no effect: only secrets may come from a file. Set ${bare}.`;
  return `${name} is not a variable of ScaiVault. Did you mean ${nearest(name)}?`;
}

/** Kubernetes puts `X_SERVICE_HOST`, `X_PORT_443_TCP` and the like into every pod for a Service named `x`. */
function isFromKubernetes(name: string, env: Environment): boolean {
  const service = /^(\w+?)_(?:SERVICE_(?:HOST|PORT)|PORT)(?:_\w+)?$/.exec(name)?.[1];
  return service !== undefined && env[`${service}_SERVICE_HOST`] !== undefined;
}

/** A sentence for each variable that looks like one of ours and is none. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = new Set(KNOWN);
  return Object.keys(env)
    .filter((name) => env[name] !== '' && env[name] !== undefined && !known.has(name))
    .filter((name) => PREFIXES.some((prefix) => name.startsWith(prefix)))
    .filter((name) => /^\w+$/.test(name) && name.length <= MAX_NAME_LENGTH && !isFromKubernetes(name, env))
    .sort()
    .map(sentence);
}
