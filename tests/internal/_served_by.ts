/**
 * Calls that find a stub where the runtime's `fetch` was.
 *
 * @module
 */

/** Runs `use` with `fetch` replaced. */
export async function servedBy<T>(
  answer: (url: string, init: RequestInit) => Promise<Response>,
  use: () => Promise<T>,
): Promise<T> {
  const before = globalThis.fetch;
  globalThis.fetch = ((url: string, init: RequestInit = {}) => answer(url, init)) as typeof fetch;
  try {
    return await use();
  } finally {
    globalThis.fetch = before;
  }
}
