/**
 * Waits for `work`, and no longer than `limitMs`. When it is late, `late` says what becomes of it: a value to go on with,
 * or an error that it throws. The work itself is not stopped, and a failure after the limit is nobody's any more.
 */
export async function within<T, L>(limitMs: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, limitMs, LATE);
  });
  try {
    const first = await Promise.race([work, limit]);
    if (first !== LATE) return first;
    work.catch(() => {});
    return late();
  } finally {
    clearTimeout(timer);
  }
}

const LATE = Symbol('late');
