/**
 * Reading of answers, piece by piece.
 *
 * @module
 */

/** The text pieces of a body. The body is released however the loop over them ends. */
export async function* readPieces(response: Response): AsyncGenerator<string, void> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      yield decoder.decode(value, { stream: !done });
      if (done) return;
    }
  } finally {
    release(reader);
  }
}

/** Gives up a body. Nobody needs to know how that ends: the connection is of no use either way. */
export function release(body: { cancel(): Promise<void> } | null | undefined): void {
  body?.cancel().catch(() => {});
}

/** Reads a body whole, or up to a limit in code units and a little more. */
export async function readText(response: Response, limit?: number): Promise<string> {
  let text = "";
  for await (const piece of readPieces(response)) {
    text += piece;
    if (limit !== undefined && text.length >= limit) break;
  }
  return text;
}
