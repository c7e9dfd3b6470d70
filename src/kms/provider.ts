/**
 * What the keyring needs of a key management service. The service is asked at start and on key work, never on the path
 * of a request.
 */

/** What a wrap belongs to. Providers that take associated data bind it; what is wrapped carries it as well. */
export interface KmsContext {
  readonly installationId: string;
  readonly rootKeyId: string;
  /** Version of the root key, from 1. */
  readonly version: number;
}

export interface KmsWrap {
  readonly ciphertext: Buffer;
  /** Which key of the service wrapped it, down to its version where the service has such. */
  readonly keyRef: string;
}

export interface KmsDescription {
  readonly status: 'enabled' | 'disabled';
  readonly keyRef: string;
}

/** Every method throws {@link KmsError} and nothing else. */
export interface KmsProvider {
  /** As in `KMS_PROVIDER`. */
  readonly name: string;
  wrap(plaintext: Buffer, context: KmsContext): Promise<KmsWrap>;
  /** The caller zero-fills the answer. */
  unwrap(ciphertext: Buffer, context: KmsContext, keyRef: string): Promise<Buffer>;
  describe(): Promise<KmsDescription>;
  close(): Promise<void>;
}

/**
 * How a failure is to be met (spec 12, "Kill switch and seal"):
 * - `unreachable`, `throttled`: tried again; a running process carries on.
 * - `credentials`: the caller's own identity is missing, expired or mis-signed; a running process carries on.
 * - `denied`: the identity is good, this key refuses it.
 * - `key_state`: the key is disabled, pending deletion, destroyed or gone: the operator's kill switch.
 * - `bad_ciphertext`: this key did not make this wrap. Never tried again.
 */
export type KmsErrorKind = 'unreachable' | 'throttled' | 'credentials' | 'denied' | 'key_state' | 'bad_ciphertext';

export class KmsError extends Error {
  override readonly name = 'KmsError';
  readonly kind: KmsErrorKind;
  /** What to do or to type next. */
  readonly hint: string;

  constructor(kind: KmsErrorKind, message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.hint = hint;
  }
}
