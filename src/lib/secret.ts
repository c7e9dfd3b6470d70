import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/**
 * A value that must not leak. It has no serialiser: JSON, template strings, `util.inspect` and structured logs all
 * show `[secret]`. The only way to the value is `reveal()`, so every use can be found by that name.
 *
 * Guards against the class of CVE-2025-62513 (values unredacted in an audit log): redaction by type, not by field name.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
