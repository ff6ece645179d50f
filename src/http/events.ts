/**
 * Server-sent events.
 *
 * @module
 */
import { readPieces } from "./body.ts";

/** How much text one event may have. */
const EVENT_LIMIT = 1_048_576;

/**
 * Reads the `data` of each event of a stream. Lines end with CR, LF or both, wherever the pieces of the body are split; other
 * fields and comments are skipped; an event that the stream's end cuts off is dropped.
 *
 * @throws RangeError when one event is longer than 1,048,576 code units
 */
export async function* readEvents(
  response: Response,
  limit: number = EVENT_LIMIT,
): AsyncGenerator<string, void> {
  let rest = "";
  let data: string | undefined;
  let afterCr = false;
  for await (const piece of readPieces(response)) {
    // The LF of a CR LF pair may come with the next piece: the line has ended with the CR already.
    const text = afterCr && piece.startsWith("\n") ? piece.slice(1) : piece;
    if (piece !== "") afterCr = piece.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data !== undefined) yield data;
        data = undefined;
      } else if (/^data(:|$)/.test(line)) {
        const value = line.slice(line[5] === " " ? 6 : 5);
        data = data === undefined ? value : `${data}\n${value}`;
      }
    }
    const length = rest.length + (data?.length ?? 0);
    if (length > limit) throw new RangeError(`Cannot read an event of more than ${limit} characters`);
  }
}
