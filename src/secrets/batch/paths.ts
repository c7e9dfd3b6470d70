import { ApiError } from '../../contract/errors.ts';
import { parseSecretPath, type SecretPath } from '../../contract/names.ts';
import { parseWildcard, type Wildcard } from './wildcards.ts';

/** Names the place of a text that is refused, never the text. */
function atPlace<T>(index: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ApiError(error.code, { message: `paths[${index}]: ${error.message}`, details: { index } });
  }
}

/** An illegal path refuses the whole batch, as it would in the target of a request. @throws ApiError `invalid_path` */
export function parsePaths(texts: readonly string[]): readonly SecretPath[] {
  return texts.map((text, index) => atPlace(index, () => parseSecretPath(text)));
}

/** @throws ApiError `invalid_path`, `invalid_glob` */
export function parseEntries(
  texts: readonly string[],
  expandWildcards: boolean,
): { readonly paths: readonly SecretPath[]; readonly wildcards: readonly Wildcard[] } {
  if (!expandWildcards) return { paths: parsePaths(texts), wildcards: [] };
  const entries = texts.map((text, index) => atPlace(index, () => parseWildcard(text) ?? parseSecretPath(text)));
  return {
    paths: entries.filter((entry) => typeof entry === 'string'),
    wildcards: entries.filter((entry) => typeof entry !== 'string'),
  };
}
