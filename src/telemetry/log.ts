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

// What a terminal obeys, or shows as nothing: control and format characters, line and paragraph separators. A stranger's
// text must neither begin a line of its own nor steer the terminal of whoever reads it.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');
}

/** One readable line an entry, for people: time, level, message, then the fields that say something. */
function textLine(record: Readonly<Record<string, unknown>>): string {
  const { level, time, msg, instance_id, ...fields } = record;
  const said = Object.entries({ ...fields, instance_id }).filter(([, value]) => value !== null);
  const rest = said.map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [time, String(level).toUpperCase(), msg, ...rest].join('  ').replace(UNPRINTABLE, escaped);
}

function textStream(out: DestinationStream): DestinationStream {
  return {
    write: (line: string) => void out.write(`${textLine(JSON.parse(line) as Record<string, unknown>)}\n`),
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

/** The error of `JSON.parse` quotes the text that it could not read. */
function describe(error: Error): string {
  return error instanceof SyntaxError ? 'not the text it should be' : error.message;
}

/** Where it was thrown, without the message that V8 writes above. */
function frames({ stack = '' }: Error): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

/** What to log of something thrown: never more than its name, message and stack. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const cause = error.cause instanceof Error ? ` (${describe(error.cause)})` : '';
  return { error: `${error.name}: ${describe(error)}${cause}`, stack: frames(error) || null };
}
