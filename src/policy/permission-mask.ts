import { PERMISSIONS, type Permission } from '../contract/permissions.ts';

/** A set of permissions, one bit each, in the order of `PERMISSIONS`. */
export type PermissionMask = number;

export const ALL_PERMISSIONS: PermissionMask = (1 << PERMISSIONS.length) - 1;

export function permissionIndex(permission: Permission): number {
  return PERMISSIONS.indexOf(permission);
}

export function permissionBit(permission: Permission): PermissionMask {
  return 1 << permissionIndex(permission);
}

/** `admin` is every permission on the matching paths. */
export function permissionMask(permissions: readonly Permission[]): PermissionMask {
  if (permissions.includes('admin')) return ALL_PERMISSIONS;
  return permissions.reduce((mask, permission) => mask | permissionBit(permission), 0);
}
