/**
 * The beginning of a body.
 *
 * @module
 */

/** What was read of a body. */
export interface Beginning {
  readonly pieces: Uint8Array<ArrayBuffer>[];
  /** How many bytes they are. */
  readonly size: number;
  /** True when there is no more. */
  readonly whole: boolean;
}

/** How many pieces are kept apart: a body that comes byte by byte would take a hundred times its size. */
const MOST_PIECES = 1_000;

/** Reads a body until it ends, or is larger than `limit`. */
export async function readBeginning(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined,
  limit: number,
): Promise<Beginning> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0, whole = reader === undefined;
  while (reader && !whole && size <= limit) {
    const { done, value } = await reader.read();
    if (value) pieces.push(value);
    size += value?.length ?? 0;
    if (pieces.length > MOST_PIECES) pieces.splice(0, pieces.length, joined({ pieces, size }));
    whole = done;
  }
  return { pieces, size, whole };
}

/** Joins pieces. */
export function joined({ pieces, size }: Pick<Beginning, "pieces" | "size">): Uint8Array<ArrayBuffer> {
  const [first] = pieces;
  if (first?.length === size) return first;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
