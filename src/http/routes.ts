/** The one table of routes: from it come the router, OpenAPI, rate categories, audit actions and the isolation tests. */
import { auditRoutes } from '../audit/routes.ts';
import type { Reply, Route } from '../contract/route.ts';
import { identityRoutes } from '../identity/routes.ts';
import type { IdentityService } from '../identity/service.ts';
import type { Clock } from '../lib/clock.ts';
import type { Mac } from '../lib/cursors.ts';
import { policyTestRoute } from '../policy/explanation/routes.ts';
import { createPolicyTest } from '../policy/explanation/testing.ts';
import { policyRoutes } from '../policy/routes.ts';
import type { PolicyService } from '../policy/service.ts';
import type { Database } from '../postgres/database.ts';
import { secretsRoutes } from '../secrets/routes.ts';
import type { SecretsService } from '../secrets/service.ts';
import { healthRoutes } from './health.ts';
import { type MetricsText, metricsRoute } from './metrics.ts';
import { withOpenApi } from './openapi.ts';

export interface RouteParts {
  readonly clock: Clock;
  readonly ready: () => Promise<Reply>;
  readonly baseUrl: string;
  /** Makes the text of the metrics; null where they have a listener of their own. */
  readonly metrics: MetricsText | null;
  readonly db: Database;
  /** Authenticates cursors. */
  readonly mac: Mac;
  readonly identity: IdentityService;
  readonly policies: PolicyService;
  readonly secrets: SecretsService;
}

export function routeTable(parts: RouteParts): readonly Route[] {
  const { clock, db, mac } = parts;
  return withOpenApi(
    [
      ...healthRoutes(clock, parts.ready),
      ...(parts.metrics === null ? [] : [metricsRoute(parts.metrics)]),
      ...identityRoutes(parts.identity),
      ...policyRoutes(parts.policies, { clock, mac }),
      policyTestRoute(createPolicyTest(db, parts.identity), clock),
      ...secretsRoutes(parts.secrets),
      ...auditRoutes({ db, clock, mac }),
    ],
    parts.baseUrl,
  );
}
