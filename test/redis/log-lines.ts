import { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';

export interface LogLines {
  readonly log: Logger;
  readonly lines: { readonly level: number; readonly msg: string; readonly [field: string]: unknown }[];
  /** Everything that was written, as it was written. */
  text(): string;
}

/** A logger that keeps what it was given. */
export function logLines(): LogLines {
  const lines: LogLines['lines'] = [];
  const written: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  return { log: pino(stream), lines, text: () => written.join('') };
}
