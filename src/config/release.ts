import { type Problem, problemWith } from './problems.ts';
import type { Settings } from './settings.ts';
import { VARIABLE_NAMES, type VariableName } from './variables.ts';

/**
 * What the schema knows and this release does not do yet: the one place to change when it does. What somebody would
 * rely on is refused; what only has no effect is warned about.
 */
const BUILT_PROVIDERS = ['local'];

const WITHOUT_EFFECT: readonly VariableName[] = [
  'DATABASE_URL_READ',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'AUDIT_ARCHIVE',
  'AUDIT_RETENTION',
  'DATABASE_READ_MAX_LAG',
  'KMS_RECHECK_INTERVAL',
  'KMS_REVOKED_GRACE',
  'IDENTITY_SYNC_INTERVAL',
  'SCAIKEY_WEBHOOK_SECRET',
  ...VARIABLE_NAMES.filter((name) => name.startsWith('OBJECT_STORAGE_')),
];

/** An operator who sets one of these relies on it; silence would be a lie. */
const PROTECTIONS: readonly VariableName[] = [
  'TLS_CLIENT_CA_FILE',
  'TLS_CLIENT_CRL_FILE',
  'CHECKPOINT_PIN',
  'RECOVERY_RECIPIENTS',
];

export function hasEffect(name: VariableName): boolean {
  return !WITHOUT_EFFECT.includes(name);
}

export function isBuiltProvider(provider: string): boolean {
  return BUILT_PROVIDERS.includes(provider);
}

export function releaseProblems({ given, value }: Settings): readonly Problem[] {
  const problems: Problem[] = [];
  const provider = value('KMS_PROVIDER');
  if (provider !== undefined && !isBuiltProvider(provider)) {
    problems.push(
      problemWith(
        'KMS_PROVIDER',
        `names a provider that is not in this release, which has ${BUILT_PROVIDERS.join(', ')}`,
      ),
    );
  }
  const secondary = VARIABLE_NAMES.find((name) => name.endsWith('_SECONDARY') && given(name));
  if (secondary !== undefined) {
    problems.push(
      problemWith(
        secondary,
        'is not in this release, which has no fail-over: remove the variables that end in _SECONDARY',
        '',
      ),
    );
  }
  if (/^rediss?\+/.test(value('REDIS_URL')?.reveal() ?? '')) {
    problems.push(
      problemWith('REDIS_URL', 'asks for Sentinel or Cluster, which are not in this release: give a single server'),
    );
  }
  for (const name of PROTECTIONS) {
    if (given(name)) problems.push(problemWith(name, 'is not in this release: remove it, or nobody would check', ''));
  }
  return problems;
}

/** A sentence for each variable that was given and steers nothing yet. */
export function releaseWarnings({ given }: Settings): readonly string[] {
  return WITHOUT_EFFECT.filter((name) => given(name)).map((name) => `${name} has no effect in this release.`);
}
