import type { SecretData } from './types.ts';

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Applies a JSON merge patch (RFC 7396): null takes a member away, an object is merged, anything else replaces. Members
 * named `__proto__` are members like any other.
 */
export function mergePatch(target: unknown, patch: SecretData): SecretData {
  // A Map keeps order and knows no prototype.
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name);
    else merged.set(name, isObject(change) ? mergePatch(merged.get(name), change) : change);
  }
  return Object.fromEntries(merged);
}
