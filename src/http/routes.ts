/** The one table of routes: from it come the router, OpenAPI, rate categories, audit actions and the isolation tests. */
import { auditRoutes } from '../audit/routes.ts';
import type { Reply, Route } from '../contract/route.ts';
import { identityRoutes } from '../identity/routes.ts';
import type { IdentityService } from '../identity/service.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Clock } from '../lib/clock.ts';
import { policyRoutes } from '../policy/routes.ts';
import type { PolicyService } from '../policy/service.ts';
import type { Database } from '../postgres/database.ts';
import { secretsRoutes } from '../secrets/routes.ts';
import type { SecretsService } from '../secrets/service.ts';
import { healthRoutes } from './health.ts';
import { withOpenApi } from './openapi.ts';

export interface RouteParts {
  readonly clock: Clock;
  readonly ready: () => Promise<Reply>;
  readonly baseUrl: string;
  readonly db: Database;
  readonly keyring: Keyring;
  readonly identity: IdentityService;
  readonly policies: PolicyService;
  readonly secrets: SecretsService;
}

export function routeTable(parts: RouteParts): readonly Route[] {
  const { clock, db, keyring } = parts;
  const cursorKey = keyring.macKey('cursor');
  const mac = (message: Buffer) => cursorKey.mac('scaivault/cursor', message);
  return withOpenApi(
    [
      ...healthRoutes(clock, parts.ready),
      ...identityRoutes(parts.identity),
      ...policyRoutes(parts.policies),
      ...secretsRoutes(parts.secrets),
      ...auditRoutes({ db, clock, mac }),
    ],
    parts.baseUrl,
  );
}
