/**
 * Server-sent events.
 *
 * @module
 */
import { readPieces } from "./body.ts";

/** How long one line may be. */
const LINE_LIMIT = 1_048_576;

/**
 * Reads the `data` of each event of a stream. Windmill writes one line for each, so each line is one. Lines end with CR, LF or
 * both, wherever the pieces of the body are split; other fields and comments are skipped; a line that the stream's end cuts off
 * is dropped.
 *
 * @throws RangeError when a line is longer than 1,048,576 code units
 */
export async function* readEvents(response: Response, limit: number = LINE_LIMIT): AsyncGenerator<string, void> {
  let rest = "";
  for await (const piece of readPieces(response)) {
    const lines = piece.split(/[\r\n]/);
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(line[5] === " " ? 6 : 5);
    if (rest.length > limit) throw new RangeError(`Cannot read a line of more than ${limit} characters`);
  }
}
