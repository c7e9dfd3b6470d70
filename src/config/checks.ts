import { type Problem, problemWith } from './problems.ts';
import { isBuiltProvider } from './release.ts';
import type { KmsProviderName } from './sections/kms.ts';
import type { Settings } from './settings.ts';
import type { CommandName } from './variable.ts';
import { requires, type VariableName } from './variables.ts';

/** One of several ways, each a set of variables that belong together. */
type Ways = readonly (readonly VariableName[])[];

/** What each provider must be told; its sign-in by the cloud's standard mechanism needs nothing from us. */
const PROVIDER_NEEDS: Readonly<Record<KmsProviderName, readonly Ways[]>> = {
  aws: [[['KMS_KEY_ID']]],
  gcp: [[['KMS_KEY_NAME']]],
  azure: [[['KMS_KEY_URL']]],
  hashicorp: [[['VAULT_ADDR']], [['KMS_TRANSIT_KEY']], [['VAULT_TOKEN'], ['VAULT_ROLE_ID', 'VAULT_SECRET_ID']]],
  pkcs11: [[['PKCS11_MODULE']], [['PKCS11_TOKEN_LABEL'], ['PKCS11_SLOT']], [['PKCS11_PIN']], [['PKCS11_KEY_LABEL']]],
  local: [[['KMS_LOCAL_KEY_FILE']]],
};

function inWords(ways: Ways): string {
  return ways.map((way) => way.join(' and ')).join(', or ');
}

/** One problem for each thing that a provider needs and was not told. */
export function providerProblems(provider: KmsProviderName, given: Settings['given']): readonly Problem[] {
  return PROVIDER_NEEDS[provider].flatMap((ways) => {
    if (ways.some((way) => way.every(given))) return [];
    const missing = ways[0]?.find((name) => !given(name)) ?? 'KMS_PROVIDER';
    const words = ways.length === 1 ? 'is not set' : `is not set; needed is ${inWords(ways)}`;
    return [problemWith(missing, `${words}, and KMS_PROVIDER=${provider} needs it`)];
  });
}

function kmsProblems(command: CommandName, { given, value }: Settings): readonly Problem[] {
  const provider = value('KMS_PROVIDER');
  if (provider === undefined || !requires(command, 'KMS_PROVIDER') || !isBuiltProvider(provider)) return [];
  const problems = providerProblems(provider, given);
  if (provider !== 'local' || value('KMS_ALLOW_LOCAL') !== false) return problems;
  return [...problems, problemWith('KMS_ALLOW_LOCAL', 'must be true for KMS_PROVIDER=local outside --dev')];
}

/** Both or neither: the one that is missing is named. */
function pair(first: VariableName, second: VariableName, { given }: Settings): readonly Problem[] {
  if (given(first) === given(second)) return [];
  const [set, unset] = given(first) ? [first, second] : [second, first];
  return [problemWith(unset, `is not set, and ${set} is: set both or neither`)];
}

/** `name` makes sense only together with `needed`. */
function needs(name: VariableName, needed: VariableName, { given }: Settings): readonly Problem[] {
  return given(name) && !given(needed) ? [problemWith(needed, `is not set, and ${name} needs it`)] : [];
}

function tenantProblems(settings: Settings): readonly Problem[] {
  const { given, value } = settings;
  // A partner alone is right for one purpose: to be that of the tenants that are made.
  if (value('TENANT_AUTOCREATE') !== true) return pair('DEFAULT_TENANT_ID', 'DEFAULT_PARTNER_ID', settings);
  if (given('DEFAULT_PARTNER_ID')) return [];
  return [problemWith('DEFAULT_PARTNER_ID', 'is not set, and TENANT_AUTOCREATE=true needs it')];
}

function objectStorageProblems(settings: Settings): readonly Problem[] {
  const { given, value } = settings;
  const provider = value('OBJECT_STORAGE_PROVIDER');
  const keys = pair('OBJECT_STORAGE_ACCESS_KEY_ID', 'OBJECT_STORAGE_SECRET_ACCESS_KEY', settings);
  if (!given('OBJECT_STORAGE_PROVIDER'))
    return [...keys, ...needs('OBJECT_STORAGE_BUCKET', 'OBJECT_STORAGE_PROVIDER', settings)];
  const bucket = needs('OBJECT_STORAGE_PROVIDER', 'OBJECT_STORAGE_BUCKET', settings);
  const needsEndpoint = provider === 'minio' || (provider === 'azure_blob' && !given('OBJECT_STORAGE_ACCESS_KEY_ID'));
  const endpoint = needsEndpoint ? needs('OBJECT_STORAGE_PROVIDER', 'OBJECT_STORAGE_ENDPOINT', settings) : [];
  return [...keys, ...bucket, ...endpoint];
}

/** What is wrong between variables each of which is right by itself. */
export function crossProblems(command: CommandName, settings: Settings): readonly Problem[] {
  return [
    ...pair('TLS_CERT_FILE', 'TLS_KEY_FILE', settings),
    ...needs('TLS_CLIENT_CRL_FILE', 'TLS_CLIENT_CA_FILE', settings),
    ...pair('SCAIKEY_CLIENT_ID', 'SCAIKEY_CLIENT_SECRET', settings),
    ...tenantProblems(settings),
    ...kmsProblems(command, settings),
    ...objectStorageProblems(settings),
  ];
}
