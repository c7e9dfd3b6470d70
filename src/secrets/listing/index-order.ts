/**
 * Places in the index of paths, which is in the order of bytes. A path is made of `-`, `/`, `0` to `9`, `_` and `a` to
 * `z`, in this order; `{` is the character after `z`.
 */

/** From here on come the paths after this one: its least continuation. */
export function after(path: string): string {
  return `${path}-`;
}

/** From here on come the paths after all that begin with this text. */
export function beyond(prefix: string): string {
  return `${prefix}{`;
}

/** The folder that a path lies in below a prefix, with its slash; null where it lies right there. */
export function folderOf(path: string, prefix: string): string | null {
  const slash = path.indexOf('/', prefix.length);
  return slash < 0 ? null : path.slice(0, slash + 1);
}
