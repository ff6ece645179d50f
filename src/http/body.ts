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

/** Reads the body of an error up to 65,536 UTF-16 code units and a little more, and gives up the rest. */
export async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < 65_536) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) break;
  }
  release(reader);
  return text;
}
