import { DocumentError, type Documents } from './http-documents.ts';
import { memberOf } from './key-set.ts';

const STANDARD = '/.well-known/openid-configuration';
const SCAIKEY = '/api/v1/platform/oauth/.well-known/openid-configuration';

export interface Discovered {
  readonly jwksUrl: string;
  /** The document lay at ScaiKey's own place, so this is ScaiKey, whose role claims are believed. */
  readonly scaiKey: boolean;
}

/**
 * OpenID Connect Discovery 1.0 for one issuer: the standard place, else, when nothing is there, ScaiKey's own.
 * @throws DocumentError also when the document speaks for another issuer (section 4.3 there).
 */
export async function discover(documents: Documents, issuer: string): Promise<Discovered> {
  const base = issuer.replace(/\/$/, '');
  try {
    return readDiscovery(await documents.fetch(base + STANDARD), issuer, false);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return readDiscovery(await documents.fetch(base + SCAIKEY), issuer, true);
}

function isAbsent(error: unknown): boolean {
  return error instanceof DocumentError && error.status !== null && error.status >= 400 && error.status < 500;
}

function readDiscovery(document: unknown, issuer: string, scaiKey: boolean): Discovered {
  const named = memberOf(document, 'issuer');
  if (named !== issuer) {
    const found = typeof named === 'string' ? JSON.stringify(named.slice(0, 256)) : 'nothing';
    throw new DocumentError(`discovery names the issuer ${found}, but ${JSON.stringify(issuer)} is configured`);
  }
  const jwksUrl = memberOf(document, 'jwks_uri');
  if (typeof jwksUrl !== 'string') throw new DocumentError(`discovery of ${issuer} has no "jwks_uri"`);
  return { jwksUrl, scaiKey };
}
