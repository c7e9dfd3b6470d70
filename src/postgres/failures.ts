import {
  ConstraintViolation,
  DatabaseRefused,
  DatabaseUnavailable,
  PrivilegeMissing,
  UnstorableText,
} from './database.ts';

// SQLSTATE classes after which the server, not the statement, is the problem: 08 connection, 53 resources (disk full,
// too many connections), 57P0x shutdown and start-up, 57014 statement time-out, 25P03 idle transaction time-out, 25006
// a standby after a fail-over, 40 a transaction that lost against others each time it was tried.
const UNAVAILABLE = /^(?:08...|53...|57P0.|57014|25P03|25006|40001|40P01|58...)$/;
const REFUSED = new Set(['28000', '28P01', '3D000']);
const NOT_PERMITTED = '42501';
const UNSTORABLE = new Set(['22021', '22P02', '22P05']);
const RETRY = new Set(['40001', '40P01']);
const NETWORK = /^E[A-Z0-9]+$|^EAI_|^CERT_|^ERR_TLS|^ERR_SSL|^DEPTH_ZERO|^UNABLE_TO|^SELF_SIGNED/;
// `pg` has no codes for these.
const LOST =
  /connection terminated|client has encountered|client was closed|query read timeout|timeout exceeded|timeout expired|error establishing an SSL connection/i;
const NOT_ADMITTED = /does not support SSL connections|^SASL: /;
// PgBouncer's, of which it knows only a few.
const STARTUP_PARAMETER = /unsupported startup parameter/;

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The transaction lost against another one; done again it may succeed. */
export function isSerializationFailure(error: unknown): boolean {
  return RETRY.has(codeOf(error));
}

/** No answer came for what was sent: whether it took effect is not known. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  if (code.startsWith('57P0') || code.startsWith('08') || code === '25P03') return true;
  return NETWORK.test(code) || (code === '' && LOST.test(messageOf(error)));
}

/** The same for what hinders a connection: whatever else the server says there, it is no defect of ours. */
export function classifyConnecting(error: unknown): unknown {
  if (codeOf(error) === NOT_PERMITTED || STARTUP_PARAMETER.test(messageOf(error)))
    return new DatabaseRefused(messageOf(error), { cause: error });
  const known = classify(error);
  if (known !== error || !/^[0-9A-Z]{5}$/.test(codeOf(error))) return known;
  return new DatabaseUnavailable(messageOf(error), { cause: error });
}

/** Turns what `pg` and the embedded database throw into the few kinds that the house tells apart. */
export function classify(error: unknown): unknown {
  const code = codeOf(error);
  if (REFUSED.has(code) || (code === '' && NOT_ADMITTED.test(messageOf(error))))
    return new DatabaseRefused(messageOf(error), { cause: error });
  if (code === NOT_PERMITTED) return new PrivilegeMissing(messageOf(error), { cause: error });
  if (UNSTORABLE.has(code)) return new UnstorableText(messageOf(error), { cause: error });
  if (code.startsWith('23')) {
    const constraint =
      typeof error === 'object' && error !== null && 'constraint' in error ? String(error.constraint) : 'unknown';
    return new ConstraintViolation(constraint, code, error);
  }
  if (UNAVAILABLE.test(code) || isConnectionLoss(error)) {
    return new DatabaseUnavailable(messageOf(error) || code, { cause: error });
  }
  return error;
}
