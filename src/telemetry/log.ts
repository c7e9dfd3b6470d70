import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'json' | 'text';

/**
 * The fields that a log line may carry: a list of what is allowed, so that a new field cannot leak by accident
 * (CVE-2026-46358 was a list of what is forbidden).
 */
const FIELDS = [
  'request_id',
  'method',
  'route',
  'status',
  'code',
  'duration_ms',
  'tenant_id',
  'identity_id',
  'operator',
  'error',
  'stack',
  'step',
  'address',
  'variable',
  'category',
  'issuer',
  'fingerprint',
  'key_id',
  'migration',
  'attempt',
  'retry_in_ms',
  'lag_ms',
  'fallbacks',
  'signal',
  'reason',
] as const;

type Field = (typeof FIELDS)[number];
export type LogFields = Readonly<Partial<Record<Field, string | number | boolean | null>>>;

/** Everything that writes to the log sees this and no more. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const ALLOWED: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'instance_id', ...FIELDS]);

function allowedOnly(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([field]) => ALLOWED.has(field)));
}

/** One readable line an entry, for people; the same fields as JSON. */
function textStream(out: DestinationStream): DestinationStream {
  return {
    write(line: string) {
      const { level, time, msg, instance_id: _, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const rest = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      out.write([time, String(level).toUpperCase(), msg, ...rest].join('  ').concat('\n'));
    },
  };
}

export interface LogSettings {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly instanceId: string;
  /** File descriptor, standard output when left out. */
  readonly fd?: number;
}

/** The process's log. Written synchronously: the last line before the end is the one that matters. */
export function createLog({ level, format, instanceId, fd = 1 }: LogSettings): Logger & Log {
  const out = destination({ fd, sync: true });
  return pino(
    {
      level,
      base: { instance_id: instanceId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { log: allowedOnly, level: (label) => ({ level: label }) },
    },
    format === 'text' ? textStream(out) : out,
  );
}

/** What to log of something thrown: never more than its name, message and stack. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return { error: `${error.name}: ${error.message}${cause}`, stack: error.stack ?? null };
}
