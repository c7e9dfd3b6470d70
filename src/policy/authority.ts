import type { Permission } from '../contract/permissions.ts';
import type { Authority } from '../contract/route.ts';

/** A role of the tenant, or a rule of kind `sys` on `policies` (spec 12, "Every route names its authority"). */
export const policyAuthority = (permission: Permission): Authority => ({
  type: 'role',
  role: 'tenant_admin',
  sys: { path: 'policies', permission },
});
