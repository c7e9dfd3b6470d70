import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../lib/time-limit.ts';
import { KmsError, type KmsErrorKind, type KmsProvider } from './provider.ts';

export interface RetryOptions {
  /** Milliseconds that one call may take (`KMS_TIMEOUT`). */
  readonly timeoutMs: number;
  /** Calls at most, the first included. */
  readonly attempts?: number;
  /** Milliseconds before the second call at most; doubled before each further one. */
  readonly backoffMs?: number;
}

const PASSING: ReadonlySet<KmsErrorKind> = new Set<KmsErrorKind>(['unreachable', 'throttled']);

/** The same provider with a time limit on every call and, where the failure may pass by itself, further tries. */
export function withRetry(provider: KmsProvider, options: RetryOptions): KmsProvider {
  const { timeoutMs, attempts = 3, backoffMs = 200 } = options;

  async function call<T>(work: () => Promise<T>, discard: (late: T) => void = () => undefined): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await limited(work(), timeoutMs, provider.name, discard);
      } catch (error) {
        if (attempt >= attempts || !(error instanceof KmsError) || !PASSING.has(error.kind)) throw error;
        // Full jitter: replicas that failed together do not come back together.
        await sleep(Math.random() * backoffMs * 2 ** (attempt - 1));
      }
    }
  }

  return {
    name: provider.name,
    wrap: (plaintext, context) => call(() => provider.wrap(plaintext, context)),
    unwrap: (ciphertext, context, keyRef) =>
      call(
        () => provider.unwrap(ciphertext, context, keyRef),
        (late) => late.fill(0),
      ),
    describe: () => call(() => provider.describe()),
    close: () => provider.close(),
  };
}

/** Waits `timeoutMs` at most. What comes later goes to `discard`, for it may be a key. */
async function limited<T>(work: Promise<T>, timeoutMs: number, name: string, discard: (late: T) => void): Promise<T> {
  return within(timeoutMs, work, () => {
    work.then(discard, () => undefined);
    const message = `the key management service (${name}) did not answer within ${timeoutMs} ms`;
    throw new KmsError('unreachable', message, 'Check the way to it, or give it longer with KMS_TIMEOUT.');
  });
}
