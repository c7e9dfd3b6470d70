import { EXIT, type ExitCode } from '../src/contract/exit-codes.ts';
import { failure, jsonLine, type Output } from './output.ts';

/** Why a command could not do its work, for people and for machines. */
export interface Refusal {
  readonly exit: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Thrown by a command that refuses by itself, for wrong flags and the like. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

// By name and not by class: the classes live in modules that a command loads only when it needs them.
interface KnownRefusal {
  readonly exit: ExitCode;
  readonly code: string;
  /** Said before the error's own message, where that is the driver's. */
  readonly about?: string;
  /** For errors that bring none of their own. */
  readonly hint: string;
}
const KNOWN: Readonly<Record<string, KnownRefusal>> = {
  AddressUnusable: { exit: EXIT.UNAVAILABLE, code: 'address_unusable', hint: '' },
  AppRoleRefused: { exit: EXIT.CONFIGURATION, code: 'app_role_refused', hint: '' },
  DatabaseRefused: {
    exit: EXIT.CONFIGURATION,
    code: 'database_refused',
    about: 'PostgreSQL refuses the connection',
    hint: 'Check user, password and database name in DATABASE_URL.',
  },
  DatabaseUnavailable: {
    exit: EXIT.UNAVAILABLE,
    code: 'database_unavailable',
    about: 'PostgreSQL cannot be reached',
    hint: 'Check that PostgreSQL runs and that DATABASE_URL names it.',
  },
  DirectoryBusy: { exit: EXIT.TRY_AGAIN, code: 'directory_busy', hint: '' },
  DirectoryUnusable: {
    exit: EXIT.FAILED,
    code: 'directory_unusable',
    hint: 'Choose one that this user may write, with --data DIR.',
  },
  FileUnusable: { exit: EXIT.CONFIGURATION, code: 'file_unusable', hint: '' },
  KeyError: { exit: EXIT.CONFIGURATION, code: 'root_key', hint: '' },
  KmsError: { exit: EXIT.CONFIGURATION, code: 'kms', hint: '' },
  MigrationAwaited: { exit: EXIT.TRY_AGAIN, code: 'migration_awaited', hint: '' },
  MigrationBlocked: { exit: EXIT.TRY_AGAIN, code: 'migration_blocked', hint: '' },
  PrivilegeMissing: {
    exit: EXIT.CONFIGURATION,
    code: 'privilege_missing',
    about: 'PostgreSQL does not let this user do what is needed',
    hint: 'Migrations need the owner of the schema (DATABASE_MIGRATE_URL); the serving role gets its rights from: scaivault migrate --app-role NAME',
  },
  SchemaRefused: { exit: EXIT.CONFIGURATION, code: 'schema_refused', hint: '' },
  TenantElsewhere: {
    exit: EXIT.CONFIGURATION,
    code: 'tenant_elsewhere',
    hint: 'Correct DEFAULT_PARTNER_ID, or name another tenant.',
  },
  TransactionPooling: { exit: EXIT.CONFIGURATION, code: 'transaction_pooling', hint: '' },
};

/** @returns null for what is a defect rather than a refusal */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof CommandRefused) return error.refusal;
  if (!(error instanceof Error)) return null;
  const known = Object.hasOwn(KNOWN, error.name) ? KNOWN[error.name] : undefined;
  if (known === undefined) return null;
  const own = 'hint' in error && typeof error.hint === 'string' ? error.hint : known.hint;
  const message = known.about === undefined ? error.message : `${known.about}: ${error.message}`;
  return { exit: known.exit, code: known.code, message, hint: own };
}

/** One readable line on stderr, and with `json` the same for a machine on stdout. */
export function reportRefusal({ exit, code, message, hint }: Refusal, output: Output, json: boolean): void {
  output.err(`${hint === '' ? message : `${message.replace(/\.?$/, '.')} ${hint}`}\n`);
  if (json) output.out(jsonLine(failure(code, message, hint)));
  output.exit(exit);
}
