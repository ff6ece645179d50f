/**
 * Splits text into lines.
 *
 * @module
 */

/** Pieces of text in, whole lines out, without their ends. */
export function lineStream(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(piece, controller): void {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) controller.enqueue(line);
    },
    flush(controller): void {
      if (rest !== "") controller.enqueue(rest);
    },
  });
}
