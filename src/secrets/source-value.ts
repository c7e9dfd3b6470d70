import type { Tenant } from '../contract/principal.ts';
import type { Keyring, TenantWriter } from '../keys/keyring.ts';
import { placeOf } from './append.ts';
import { Outdated } from './asking.ts';
import type { SourceVersion } from './state/repository.ts';
import type { SecretState } from './types.ts';

/**
 * The value of a stored version, for a new one that is made from it inside a transaction. Mostly it lies under the key
 * that the new one gets; else it is opened outside, since that may read the key's row, and the work is tried again.
 */
export class SourceValue {
  readonly #keyring: Keyring;
  readonly #tenant: Tenant;
  #opened: { readonly of: string; readonly value: Buffer } | null = null;

  constructor(keyring: Keyring, tenant: Tenant) {
    this.#keyring = keyring;
    this.#tenant = tenant;
  }

  /** Calls `use` with the value, which is zero-filled afterwards. @throws Outdated */
  with<T>(writer: TenantWriter, secret: SecretState, source: SourceVersion, use: (value: Buffer) => T): T {
    const place = placeOf(this.#tenant, { ...secret, version: source.version });
    const of = `${secret.id} ${source.version}`;
    const value = this.#opened?.of === of ? this.#take() : writer.open(place, source.sealed);
    if (value === null) {
      throw new Outdated(async () => {
        this.forget();
        this.#opened = { of, value: await this.#keyring.open(this.#tenant, place, source.sealed) };
      });
    }
    try {
      return use(value);
    } finally {
      value.fill(0);
    }
  }

  /** Zero-fills what was opened and not used. */
  forget(): void {
    this.#take()?.fill(0);
  }

  #take(): Buffer | null {
    const value = this.#opened?.value ?? null;
    this.#opened = null;
    return value;
  }
}
