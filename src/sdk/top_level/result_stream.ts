/**
 * The stream of the running job's result under the official client's names.
 *
 * @module
 */
import { appendResult, pipeResult, type ResultStreamWriteOptions } from "../result_stream.ts";

/**
 * Adds a text to the stream of the running job's result. A backslash that an n follows arrives as such: with the official
 * client it arrives as a line end.
 *
 * @param text the text; none is added for `""`
 * @param options whether to begin a new line first
 *
 * @example
 * ```ts
 * import { appendToResultStream } from "@windkit/windmill-client";
 *
 * appendToResultStream("one\ntwo");
 * ```
 */
export function appendToResultStream(text: string, options?: ResultStreamWriteOptions): void {
  appendResult(text, options);
}

/**
 * Adds each text of an iterable to the stream of the running job's result, as it comes. A character that two texts share, half
 * and half, arrives whole: with the official client it is lost.
 *
 * @param stream the texts; an array or a generator will do too
 * @param options whether to begin a new line before each text
 */
export function streamResult(
  stream: AsyncIterable<string> | Iterable<string>,
  options?: ResultStreamWriteOptions,
): Promise<void> {
  return pipeResult(stream, options);
}
