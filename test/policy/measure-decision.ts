/**
 * Prints what one decision takes, by number of rules: `node test/policy/measure-decision.ts`. Not a test: time differs
 * from machine to machine. docs/policies.md quotes it.
 */
import type { PolicyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { PolicySet, targetOf } from '../../src/policy/evaluate.ts';
import { parseRules, type RuleText } from '../../src/policy/rules.ts';
import { NO_VALUES } from './patterns.ts';

const TENANT = 'acme' as TenantId;
const ROUNDS = 300_000;

/** What administrators write: mostly a team's paths, some wildcards, few denials. */
function rule(at: number): RuleText {
  const team = `team-${at % 200}`;
  const shapes = [
    `${team}/app-${at}/**`,
    `${team}/app-${at}/*/db`,
    `${team}/svc-${at}-*/**`,
    `shared/**/${team}-${at}`,
  ];
  const effect = at % 20 === 0 ? 'deny' : 'allow';
  return { path_pattern: shapes[at % 4] ?? '**', permissions: ['read', 'list'], effect, kind: 'secret' };
}

for (const count of [10, 1_000, 10_000]) {
  const { rules } = parseRules(Array.from({ length: count }, (_, at) => rule(at)));
  const policies = Array.from({ length: Math.ceil(count / 1000) }, (_, at) => ({
    id: `pol_${at}` as PolicyId,
    version: 1,
    rules: rules.slice(at * 1000, (at + 1) * 1000),
  }));
  const compileStart = performance.now();
  const set = new PolicySet(TENANT, policies);
  const compiledMs = performance.now() - compileStart;
  const targets = Array.from({ length: 1000 }, (_, at) => {
    const n = (at * 7919) % count;
    return targetOf(TENANT, 'secret', `team-${n % 200}/app-${n}/prod/db` as SecretPath, 'read');
  });
  let allowed = 0;
  let started = 0;
  for (let round = -ROUNDS / 2; round < ROUNDS; round++) {
    if (round === 0) started = performance.now();
    const asked = targets[((round % 1000) + 1000) % 1000];
    if (asked !== undefined && set.decide(asked, NO_VALUES).allowed) allowed++;
  }
  const micros = ((performance.now() - started) * 1000) / ROUNDS;
  process.stdout.write(
    `${String(count).padStart(6)} rules: ${micros.toFixed(2)} µs a decision, compiled in ${compiledMs.toFixed(1)} ms (${allowed} allowed)\n`,
  );
}
