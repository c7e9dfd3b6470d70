import { serverUrl } from './environment.ts';

/**
 * The Redis of the test run. All test files share it at the same time, so a test never flushes it: tests stay apart by
 * using a tenant, or a key prefix, with a random name of its own.
 */
export function redisUrl(): string {
  return serverUrl('TEST_REDIS_URL');
}
