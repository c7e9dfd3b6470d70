/** Why the chain of keys cannot be used or trusted. */
export type KeyErrorKind =
  /** Another process holds the lock under which the root key is made. */
  | 'root_key_busy'
  /** Data is there and no root key. */
  | 'root_key_missing'
  /** No version of the root key is the one to write with. */
  | 'root_key_inactive'
  /** No wrap that the configured key management service could open. */
  | 'wrap_missing'
  | 'root_block_malformed'
  /** The check that is wrapped with the root key does not belong to it. */
  | 'root_check_failed'
  | 'other_installation'
  | 'other_root_key'
  /** Two recipients of one root key got different ones. */
  | 'recipients_disagree'
  | 'succession_invalid'
  /** Not what `ROOT_KEY_FINGERPRINT` says: exit 78. */
  | 'fingerprint_pinned'
  /** A key and the fingerprint in its row do not belong together. */
  | 'fingerprint_mismatch'
  | 'active_mac_invalid'
  | 'key_not_found'
  | 'key_gone'
  | 'key_not_made';

/** For the operator: names rows, ids and fingerprints, never a byte of a key. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
  readonly kind: KeyErrorKind;
  /** What to do or to type next. */
  readonly hint: string;

  constructor(kind: KeyErrorKind, message: string, hint: string) {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}

export type EnvelopeErrorKind =
  /** The first byte is of no format that this release knows. */
  | 'unknown_format'
  | 'truncated'
  /** More bytes than a wrapped key has. */
  | 'trailing_bytes'
  /** Wrapped by another key than its row says. */
  | 'wrong_key'
  /** Altered, cut, or moved here from another place. */
  | 'not_authentic';

/** A stored ciphertext or wrap cannot be opened. The message names its place, never its bytes. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
  readonly kind: EnvelopeErrorKind;

  constructor(kind: EnvelopeErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
