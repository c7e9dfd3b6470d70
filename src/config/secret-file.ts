import { closeSync, openSync, readSync } from 'node:fs';
import { Invalid } from './kinds/kind.ts';

const MAX_BYTES = 65_536;

/** Reads at most one byte more than allowed, also from a pipe or a device that never ends. */
function readBounded(path: string): Buffer {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, null);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

function readBytes(path: string): Buffer {
  try {
    return readBounded(path);
  } catch (error) {
    // Not the path: the likeliest slip is to give the secret itself where its file is asked for.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new Invalid(`names a file that cannot be read (${code})`);
  }
}

/**
 * The text of the file that a `NAME_FILE` variable names, without the newline at its end.
 *
 * @throws Invalid without the path and without any part of the text
 */
export function readSecretFile(path: string): string {
  const bytes = readBytes(path);
  if (bytes.length > MAX_BYTES) throw new Invalid(`names a file of more than ${MAX_BYTES} bytes`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Invalid('names a file that is not UTF-8 text');
  } finally {
    bytes.fill(0);
  }
  return text.replace(/\r?\n$/, '');
}
