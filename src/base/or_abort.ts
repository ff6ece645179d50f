/**
 * Waiting that can be given up.
 *
 * @module
 */

/**
 * Waits for something that goes on when the signal is aborted: its failure is then nobody's.
 *
 * @param work what is waited for
 * @param signal gives up
 * @returns what the work gives
 * @throws the signal's reason, or what the work throws
 */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Its failure is told to whoever still waits for it.
  work.catch(() => "told elsewhere");
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
