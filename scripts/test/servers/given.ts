import { probePostgres } from './local-postgres.ts';
import { probeRedis } from './local-redis.ts';
import type { Provider } from './provider.ts';

export const givenPostgres = given('TEST_DATABASE_URL', probePostgres);
export const givenRedis = given('TEST_REDIS_URL', async (url) => {
  // A TLS listener does not answer to a plain probe; the tests will tell.
  if (url.startsWith('redis://')) await probeRedis(url);
});

function given(variable: string, probe: (url: string) => Promise<void>): Provider {
  const url = process.env[variable] ?? '';
  return {
    name: variable,
    required: true,
    available: async () => url !== '',
    async start() {
      await probe(url);
      return { url, stop: async () => {} };
    },
  };
}
