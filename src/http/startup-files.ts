import { readFileSync } from 'node:fs';

/** A file that the configuration names cannot be used. */
export class FileUnusable extends Error {
  override readonly name = 'FileUnusable';
}

/** @throws FileUnusable that names the variable and the path */
export function readStartupFile(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new FileUnusable(`${variable}: ${path} cannot be read (${code}).`, { cause: error });
  }
}
