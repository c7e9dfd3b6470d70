/**
 * What one policy decision takes: `node scripts/bench/decision.ts RULES [SECONDS]` prints microseconds. A process a
 * measurement, so that each starts alike; and a script of its revision, so that each knows its own evaluator.
 */
import type { PolicyId, SecretPath, TenantId } from '../../src/contract/names.ts';
import { Findings } from '../../src/policy/conditions/findings.ts';
import { PolicySet, targetOf } from '../../src/policy/evaluate.ts';
import { parseRules, type RuleText } from '../../src/policy/rules.ts';
import { NO_VALUES } from '../../test/policy/patterns.ts';

const TENANT = 'acme' as TenantId;
const RULES_A_POLICY = 1_000;
const BATCH = 1_000;
const findings = new Findings({ sourceIp: '10.0.0.1', mfaVerifiedAt: null, nowMs: Date.now() });

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

function policySet(count: number): PolicySet {
  const { rules } = parseRules(Array.from({ length: count }, (_, at) => rule(at)));
  const policies = Array.from({ length: Math.ceil(count / RULES_A_POLICY) }, (_, at) => ({
    id: `pol_${at}` as PolicyId,
    version: 1,
    rules: rules.slice(at * RULES_A_POLICY, (at + 1) * RULES_A_POLICY),
  }));
  return new PolicySet(TENANT, policies);
}

const [count = 10, seconds = 1] = process.argv.slice(2).map(Number);
const set = policySet(count);
const targets = Array.from({ length: BATCH }, (_, at) => {
  const n = (at * 7919) % count;
  return targetOf(TENANT, 'secret', `team-${n % 200}/app-${n}/prod/db` as SecretPath, 'read');
});

/** @returns microseconds a decision */
function decideFor(ms: number): number {
  const started = performance.now();
  let decided = 0;
  while (performance.now() - started < ms) {
    for (const target of targets) set.decide(target, NO_VALUES, findings);
    decided += BATCH;
  }
  return ((performance.now() - started) * 1000) / decided;
}

// The first third is for the compiler of the runtime.
decideFor((seconds * 1000) / 3);
process.stdout.write(`${decideFor((seconds * 2000) / 3)}\n`);
