import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';
import { fingerprintOf, hkdf, hmac, KEY_BYTES, type RandomSource, systemRandom } from '../kms/primitives.ts';

const SHOWN = '[key]';

// Whoever forgets `destroy()` leaves the bytes to this: they are zero-filled when nobody holds the key any more.
const forgotten = new FinalizationRegistry<Buffer>((bytes) => bytes.fill(0));

/**
 * The 32 bytes of a key. It cannot be printed, serialised or cloned: the bytes lie in a private field, and whatever
 * asks for a text gets `[key]`. `destroy()` zero-fills them; any use after that throws.
 */
export class KeyMaterial {
  // Of its own memory: buffers from Node's shared pool leave copies behind.
  readonly #bytes = Buffer.alloc(KEY_BYTES);
  #destroyed = false;

  private constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes, not ${bytes.length}`);
    this.#bytes.set(bytes);
    bytes.fill(0);
  }

  static #kept(bytes: Uint8Array): KeyMaterial {
    const key = new KeyMaterial(bytes);
    forgotten.register(key, key.#bytes);
    return key;
  }

  static generate(random: RandomSource = systemRandom): KeyMaterial {
    return KeyMaterial.#kept(random(KEY_BYTES));
  }

  /** Takes the bytes over: `bytes` is zero-filled. */
  static adopt(bytes: Uint8Array): KeyMaterial {
    return KeyMaterial.#kept(bytes);
  }

  /** Takes the bytes over for as long as `work` runs, which must be done with the key when it returns. */
  static during<T>(bytes: Uint8Array, work: (key: KeyMaterial) => T): T {
    // Not watched over: it cannot be forgotten, and a request makes one for each value.
    const key = new KeyMaterial(bytes);
    try {
      return work(key);
    } finally {
      key.destroy();
    }
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Lends the bytes to `work`, which must be done with them when it returns and keeps no reference. */
  use<T>(work: (bytes: Buffer) => T): T {
    if (this.#destroyed) throw new Error('use of a key after it was destroyed');
    return work(this.#bytes);
  }

  /** A key for one purpose, HKDF-SHA-256 with `info`. The caller destroys it. */
  derive(info: string): KeyMaterial {
    return this.use((bytes) => KeyMaterial.#kept(hkdf(bytes, info)));
  }

  /** HMAC-SHA-256 under a key that is derived for `info`. */
  mac(info: string, message: Uint8Array): Buffer {
    const derived = this.use((bytes) => hkdf(bytes, info));
    return KeyMaterial.during(derived, (key) => key.use((bytes) => hmac(bytes, message)));
  }

  /** Whether `tag` is what {@link mac} gives; takes the same time for every wrong one. */
  verifyMac(info: string, message: Uint8Array, tag: Uint8Array): boolean {
    const expected = this.mac(info, message);
    return tag.length === expected.length && timingSafeEqual(tag, expected);
  }

  /** 32 bytes that name the key and tell nothing about it. */
  fingerprint(): Buffer {
    return this.use(fingerprintOf);
  }

  equals(other: KeyMaterial): boolean {
    return this.use((mine) => other.use((theirs) => timingSafeEqual(mine, theirs)));
  }

  destroy(): void {
    this.#bytes.fill(0);
    this.#destroyed = true;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
