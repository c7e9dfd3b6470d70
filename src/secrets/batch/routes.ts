import { type Reply, type Route, readRoute } from '../../contract/route.ts';
import { NoQuery } from '../../contract/schemas.ts';
import { stateBody, versionBody } from '../bodies.ts';
import type { ReadSecret } from '../read.ts';
import type { SecretsService } from '../service.ts';
import { errorsOf, type Outcome, partOf } from './outcome.ts';
import { parseEntries, parsePaths } from './paths.ts';
import { BatchMetadataAnswer, BatchMetadataBody, BatchReadAnswer, BatchReadBody } from './schemas.ts';

/** By path. Any path may be a name of it, `__proto__` and `constructor` too. */
function byPath<T>(outcomes: readonly Outcome<T>[], show: (value: T) => object): Record<string, object> {
  const shown: Record<string, object> = Object.create(null);
  for (const { path, result } of outcomes) if (result.ok) shown[path] = show(result.value);
  return shown;
}

function valueBody(secret: ReadSecret, withMetadata: boolean): object {
  const { path: _, version, secret_type, ...metadata } = versionBody(secret);
  return { data: secret.data, version, secret_type, ...(withMetadata ? metadata : {}) };
}

function versionOf({ result }: Outcome<ReadSecret>): number | null {
  return result.ok ? result.value.version : null;
}

export function batchRoutes(service: Pick<SecretsService, 'readBatch' | 'readBatchMetadata'>): readonly Route[] {
  const read = readRoute({
    method: 'POST',
    path: '/v1/secrets/batch',
    summary: 'Read several secrets at once',
    tag: 'secrets',
    category: 'BATCH_READ',
    units: { category: 'SECRETS_READ', count: (body) => body.paths.length },
    scope: 'secrets:read',
    authority: { type: 'each_path', kind: 'secret', permission: 'read' },
    action: 'batch_read',
    query: NoQuery,
    body: BatchReadBody,
    responses: { 200: { description: 'What could be read, and why the rest could not', schema: BatchReadAnswer } },
    run: async (call): Promise<Reply> => {
      const { paths, options = {} } = call.body;
      const outcomes = await service.readBatch(call, parsePaths(paths), {
        version: options.version ?? null,
        failFast: options.fail_fast === true,
      });
      const secrets = byPath(outcomes, (secret) => valueBody(secret, options.include_metadata === true));
      return {
        status: 200,
        body: { secrets, errors: errorsOf(outcomes) },
        parts: outcomes.map((outcome) => partOf(outcome, versionOf(outcome))),
        unusedUnits: outcomes.filter(({ result }) => !result.ok).length,
        valuesOf: outcomes.flatMap(({ result }) => (result.ok ? [result.value.secretType] : [])),
      };
    },
  });

  const metadata = readRoute({
    method: 'POST',
    path: '/v1/secrets/batch:metadata',
    summary: 'What is known of several secrets without their values',
    tag: 'secrets',
    category: 'BATCH_METADATA',
    scope: 'secrets:list',
    authority: { type: 'each_path', kind: 'secret', permission: 'list' },
    action: 'metadata_read',
    query: NoQuery,
    body: BatchMetadataBody,
    responses: { 200: { description: 'What is known, and why the rest is not', schema: BatchMetadataAnswer } },
    run: async (call): Promise<Reply> => {
      const { paths, wildcards } = parseEntries(call.body.paths, call.body.expand_wildcards === true);
      const { outcomes, truncated, parts } = await service.readBatchMetadata(call, paths, wildcards);
      return {
        status: 200,
        body: { secrets: byPath(outcomes, stateBody), errors: errorsOf(outcomes), truncated },
        parts,
      };
    },
  });

  return [read, metadata];
}
