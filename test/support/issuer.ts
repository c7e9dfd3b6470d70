import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServerCertificate, serverCertificate } from './certificates.ts';
import { type Algorithm, type SigningKey, signCompact, signingKey } from './tokens.ts';

const STANDARD = '/.well-known/openid-configuration';
const SCAIKEY = '/api/v1/platform/oauth/.well-known/openid-configuration';

export interface MintOptions {
  /** Signs with this key instead of the newest one. */
  readonly key?: SigningKey;
  /** Members to add to the header, or to leave out (undefined). */
  readonly header?: Readonly<Record<string, unknown>>;
}

/** One `iss` with its own keys: the platform's, or that of a tenant. */
export interface TestIssuer {
  /** As in `iss`. */
  readonly issuer: string;
  /** Path of the JWKS document. */
  readonly jwksPath: string;
  /** Path of the discovery document. */
  readonly discoveryPath: string;
  /** The keys that are published; the newest signs. */
  readonly keys: SigningKey[];
  /** Adds a key, which signs from now on. The old ones stay published until {@link withdraw}. */
  rotate(alg?: Algorithm): SigningKey;
  /** Unpublishes a key. */
  withdraw(key: SigningKey): void;
  /**
   * A good access token for an hour with these claims; a claim given as undefined is left out. Without claims of its own
   * it is for `usr_alice` of `tnt_a`.
   */
  mint(claims?: Readonly<Record<string, unknown>>, options?: MintOptions): string;
}

export interface TestIssuerServer extends TestIssuer {
  /** PEM of the authority that signed the server's certificate, and a file with it for `CA_BUNDLE_FILE`. */
  readonly ca: string;
  readonly caFile: string;
  /** The issuer of one tenant, made at its first mention. */
  tenant(tenantId: string): TestIssuer;
  /** Answers a path otherwise than in truth, until {@link truth}. */
  lie(path: string, answer: (request: IncomingMessage, response: ServerResponse) => void): void;
  truth(): void;
  /** How often a path was asked for. */
  asked(path: string): number;
  /** Takes the server off its port, and brings it back to the same. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** @param scaiKey discovery lies at ScaiKey's own place, not at the standard one. */
export async function startIssuer({ scaiKey = false } = {}): Promise<TestIssuerServer> {
  const certificate = await serverCertificate();
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-issuer-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, certificate.ca);

  const documents = new Map<string, () => unknown>();
  const lies = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
  const counts = new Map<string, number>();

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '';
    counts.set(path, (counts.get(path) ?? 0) + 1);
    const document = documents.get(path);
    const lie = lies.get(path);
    if (lie !== undefined) lie(request, response);
    else if (document === undefined) response.writeHead(404).end();
    else json(response, document());
  };

  const listener = restartable(certificate, handle);
  const base = `https://localhost:${await listener.start()}`;
  const publish = (issuer: string): TestIssuer => {
    const made = createIssuer(issuer, new URL(issuer).pathname.replace(/\/$/, ''), scaiKey ? SCAIKEY : STANDARD);
    documents.set(made.discoveryPath, () => ({ issuer, jwks_uri: base + made.jwksPath }));
    documents.set(made.jwksPath, () => ({ keys: made.keys.map((key) => key.jwk) }));
    return made;
  };
  const tenants = new Map<string, TestIssuer>();
  return {
    ...publish(base),
    ca: certificate.ca,
    caFile,
    tenant: (tenantId) => {
      const known = tenants.get(tenantId) ?? publish(`${base}/tenants/${tenantId}`);
      tenants.set(tenantId, known);
      return known;
    },
    lie: (path, answer) => void lies.set(path, answer),
    truth: () => lies.clear(),
    asked: (path) => counts.get(path) ?? 0,
    stop: listener.stop,
    start: async () => void (await listener.start()),
    close: async () => {
      await listener.stop();
      await rm(directory, { recursive: true });
    },
  };
}

export function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function createIssuer(issuer: string, pathPrefix: string, discovery: string): TestIssuer {
  const keys: SigningKey[] = [signingKey('ES256')];
  return {
    issuer,
    keys,
    discoveryPath: pathPrefix + discovery,
    jwksPath: `${pathPrefix}/jwks.json`,
    rotate: (alg = 'ES256') => {
      const key = signingKey(alg);
      keys.push(key);
      return key;
    },
    withdraw: (key) => void keys.splice(keys.indexOf(key), 1),
    mint: (claims = {}, { key = keys.at(-1)!, header = {} } = {}) =>
      signCompact(
        JSON.stringify({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header }),
        JSON.stringify({ ...defaultClaims(issuer), ...claims }),
        key,
      ),
  };
}

function defaultClaims(issuer: string): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: issuer,
    sub: 'usr_alice',
    aud: 'scaivault',
    email: 'alice@example.com',
    email_verified: true,
    tenant_id: 'tnt_a',
    scope: 'secrets:read secrets:write',
    iat: now,
    exp: now + 3600,
  };
}

/** An HTTPS server on 127.0.0.1 that comes back to its port. */
function restartable(
  { cert, key }: ServerCertificate,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
) {
  let server: Server | null = null;
  let port = 0;
  return {
    start: async (): Promise<number> => {
      if (server !== null) return port;
      server = createServer({ cert, key }, handle).listen(port, '127.0.0.1');
      await once(server, 'listening');
      port = (server.address() as AddressInfo).port;
      return port;
    },
    stop: async (): Promise<void> => {
      const closing = server;
      server = null;
      if (closing === null) return;
      const closed = once(closing, 'close');
      closing.close();
      closing.closeAllConnections();
      await closed;
    },
  };
}
